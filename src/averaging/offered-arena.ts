/**
 * The side of a replica that is asked: it holds the contribution that is offered, and answers for ranges of it.
 *
 * Invariant: an answer is about the state and the elements that were asked for, or it is a refusal.
 */

import type { Incarnation } from '../base/ids.js';
import type { DataAnswerBody, DataRequestOf } from '../protocol/data.js';
import { describeState, isSameState, type StateName } from '../protocol/state-name.js';
import { type DataReply, refusal } from '../rpc/data-server.js';
import type { AverageOutcome, Contribution } from './averaging.js';

/** The contribution that a request fits, and the array that it asks for a range of; or the refusal. */
export type Admission =
  | { readonly ok: true; readonly own: Contribution; readonly arena: Float32Array }
  | { readonly ok: false; readonly refusal: DataReply };

export class OfferedArena {
  #own: Contribution | null = null;

  /** Replaces what was offered before. */
  offer(contribution: Contribution): void {
    this.#own = contribution;
  }

  /** Offers nothing any more: later requests are refused. */
  takeBack(): void {
    this.#own = null;
  }

  /** The contribution to this state; null when none is offered. */
  contributionTo(state: StateName): Contribution | null {
    return this.#own !== null && isSameState(this.#own.state, state) ? this.#own : null;
  }

  /** Checks a request for any part: its state, and that its range lies in the arena. */
  admit({ state, part, start, end }: DataRequestOf<'arena.get'>): Admission {
    const own = this.#own;
    if (own === null) return refused(refusal('not-ready', `nothing is trained for ${describeState(state)} here`));
    if (own.state.stage !== state.stage) return refused(refusal('wrong-stage', `${describeState(own.state)} is under way`));
    if (!isSameState(own.state, state)) return refused(refusal('wrong-round', `${describeState(own.state)} is under way`));
    const arena = part === 'memory' ? (own.memory ?? new Float32Array(0)) : own.parameters;
    if (start >= end || end > arena.length) {
      return refused(refusal('invalid-message', `elements ${start} to ${end} of an arena of ${arena.length}`));
    }
    return { ok: true, own, arena };
  }

  /** Answers for a range of what is trained, or of the memory. */
  answerOwn(request: DataRequestOf<'arena.get'>): DataReply {
    const admission = this.admit(request);
    if (!admission.ok) return admission.refusal;
    return arenaReply(request, admission.own, admission.arena.subarray(request.start, request.end));
  }
}

/** The answer to a request of any part: `data` are the elements asked for; samples and ranges are those of `own`. */
export function arenaReply(request: DataRequestOf<'arena.get'>, own: Contribution, data: Float32Array): DataReply {
  const { state, attempt, part, start, end } = request;
  const { samples, ranges } = own;
  const header: DataAnswerBody = { type: 'arena.answer', state, attempt, part, start, end, samples, ranges: [...ranges] };
  return { header, tensors: [{ name: 'parameters', dtype: 'float32', shape: [data.length], data }] };
}

/** The outcome for a replica that has no contribution to the state of its order: it names itself. */
export function offersNothing(self: Incarnation, state: StateName): AverageOutcome {
  return { ok: false, unreachable: [{ replica: self, message: `it offers nothing for ${describeState(state)}` }] };
}

function refused(reply: DataReply): Admission {
  return { ok: false, refusal: reply };
}
