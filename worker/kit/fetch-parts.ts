/** Fetches the tensors of a state from one place, part after part: each part has a deadline of its own, and no message grows with the state. */

import type { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { DataAnswerOf, DataMessage } from '../../src/protocol/data.js';
import { type ElementRange, elementsOf, PART_ELEMENTS, StateAssembly } from '../../src/tensor/state-parts.js';
import type { StateTensors } from '../../src/tensor/state-tensors.js';

type PartAnswer = DataAnswerOf<'state.answer'> | DataAnswerOf<'slots.answer'>;

export interface PartSource<Answer extends PartAnswer> {
  /** The elements that are asked for at a time. A place gives as many as there are, up to PART_ELEMENTS. */
  readonly elements: number;
  /** Ends the fetch before its next part. */
  readonly signal?: AbortSignal | undefined;
  /** Asks for a part. Throws as Connections.request does. */
  ask(range: ElementRange): Promise<DataMessage<Answer>>;
  /** Throws when the header of the first answer is not about what was asked for, or its tensors are not that long; called before anything is allocated. */
  check(header: Answer): void;
  /** The error of an answer that is not what it should be. */
  wrong(what: string): StillhouseError;
}

/** The whole tensors, which belong to the caller, with the header of the first answer. Throws what the source throws, and the signal's reason. */
export async function fetchParts<Answer extends PartAnswer>(
  source: PartSource<Answer>,
): Promise<{ readonly header: Answer; readonly tensors: StateTensors }> {
  const { elements, signal, ask, check, wrong } = source;
  let answer = await ask({ start: 0, end: elements });
  const { header } = answer;
  check(header);
  const total = elementsOf(header.layout);
  const assembly = new StateAssembly(header.layout);
  for (;;) {
    const least = Math.min(elements, total - assembly.taken, PART_ELEMENTS);
    const sent = answer.tensors.reduce((sum, { data }) => sum + data.length, 0);
    // A place that gives one element at a time would never end; and nothing is allocated for a state of which hardly anything comes.
    if (sent < least) throw wrong(`the answer has ${sent} elements from ${assembly.taken} on, and not ${least}`);
    const fault = assembly.take(answer.header.start, answer.tensors);
    if (fault !== null) throw wrong(fault);
    if (assembly.isWhole) return { header, tensors: assembly.tensors() };
    signal?.throwIfAborted();
    answer = await ask({ start: assembly.taken, end: assembly.taken + elements });
    if (aboutOf(answer.header) !== aboutOf(header)) throw wrong('the answers are about different states');
  }
}

/** All that the answers about one state have in common. */
function aboutOf(header: PartAnswer): string {
  return JSON.stringify({ ...header, id: null, tensors: null, start: null });
}
