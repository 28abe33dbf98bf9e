/**
 * A recording cut in two: the part that runs before an exchange and the part that runs after it. The values that the second
 * half needs from the first are kept in variables, so that they need not pass through JavaScript. So are the values that the first half
 * has overwritten, for a first half that is undone.
 *
 * Invariant: a kept value never shares memory with a feed, which belongs to its caller again after the first half.
 */

import { type Constant, DATA_TYPE, type Operation, type Recording, type TensorType, typeOfValue, type Value } from './recording.js';

export interface CutRecording {
  readonly first: Recording;
  readonly second: Recording;
  /** In place of the second half: gives the variables back the values that they had before the first. Its output is of no use. */
  readonly undo: Recording;
  /** The variables from this index on hold the kept values. They are of no use after the second half or the undoing. */
  readonly stashFrom: number;
}

/** A graph runs for an output. */
const NOTHING: Constant = { dtype: DATA_TYPE.int32, shape: [], data: Int32Array.of(0) };

/**
 * Cuts before operation `at`. `feeds` names the feeds of the first half; all others are the second's. An output or a
 * variable belongs to the half that makes its value.
 */
export function cutRecording(recording: Recording, at: number, feeds: readonly string[]): CutRecording {
  const isEarly = (value: Value) => {
    if (value.from === 'operation') return value.index < at;
    return value.from === 'feed' && feeds.includes(value.name);
  };
  const early = recording.assignments.map((value) => value !== null && isEarly(value));
  const stash = new Stash(recording, (value) => isEarly(value) || (value.from === 'variable' && early[value.index] === true));
  const later = (value: Value): Value => renumber(stash.replace(value), at);
  const operations = recording.operations.slice(at).map((operation) => ({ ...operation, inputs: operation.inputs.map(later) }));
  const outputs = Object.entries(recording.outputs);
  const lateOutputs = outputs.filter(([, value]) => !isEarly(value)).map(([name, value]) => [name, later(value)] as const);
  const assignments = recording.assignments.map((value, index) => (value === null || early[index] ? null : later(value)));
  const restored = early.map((isOverwritten, index) => (isOverwritten ? stash.replace({ from: 'variable', index }) : null));
  const variables = [...recording.variables, ...stash.types];
  const none = stash.types.map(() => null);
  const first: Recording = {
    ...recording,
    feeds: pick(recording.feeds, (name) => feeds.includes(name)),
    variables,
    operations: recording.operations.slice(0, at),
    assignments: [...recording.assignments.map((value, index) => (early[index] ? value : null)), ...stash.values],
    outputs: Object.fromEntries(outputs.filter(([, value]) => isEarly(value))),
  };
  const second: Recording = {
    ...recording,
    feeds: pick(recording.feeds, (name) => !feeds.includes(name)),
    variables,
    operations: operations satisfies Operation[],
    assignments: [...assignments, ...none],
    outputs: Object.fromEntries(lateOutputs),
  };
  const undo: Recording = {
    feeds: {},
    variables,
    constants: [NOTHING],
    operations: [],
    assignments: [...restored, ...none],
    outputs: { done: { from: 'constant', index: 0 } },
  };
  return { first: withOwnFeeds(first), second, undo, stashFrom: recording.variables.length };
}

/** The same recording on copies of its feeds: a variable would keep the memory that a feed, or a Reshape of it, is in. */
function withOwnFeeds(recording: Recording): Recording {
  const names = Object.keys(recording.feeds);
  const own = (value: Value): Value => {
    if (value.from === 'feed') return { from: 'operation', index: names.indexOf(value.name), output: 0 };
    return renumber(value, -names.length);
  };
  const copies = Object.entries(recording.feeds).map(
    ([name, type]): Operation => ({
      op: 'DeepCopy',
      attributes: [{ name: 'T', kind: 'type', value: type.dtype }],
      inputs: [{ from: 'feed', name }],
      outputs: [type],
    }),
  );
  return {
    ...recording,
    operations: [...copies, ...recording.operations.map((operation) => ({ ...operation, inputs: operation.inputs.map(own) }))],
    assignments: recording.assignments.map((value) => value && own(value)),
    outputs: Object.fromEntries(Object.entries(recording.outputs).map(([name, value]) => [name, own(value)])),
  };
}

/** Gives each value that must survive the cut a variable of its own, in the order in which the values are met. */
class Stash {
  readonly values: Value[] = [];
  readonly types: TensorType[] = [];
  readonly #recording: Recording;
  readonly #mustSurvive: (value: Value) => boolean;
  readonly #places = new Map<string, number>();

  constructor(recording: Recording, mustSurvive: (value: Value) => boolean) {
    this.#recording = recording;
    this.#mustSurvive = mustSurvive;
  }

  replace(value: Value): Value {
    if (!this.#mustSurvive(value)) return value;
    const key = JSON.stringify(value);
    let place = this.#places.get(key);
    if (place === undefined) {
      place = this.values.push(value) - 1;
      this.types.push(typeOfValue(this.#recording, value));
      this.#places.set(key, place);
    }
    return { from: 'variable', index: this.#recording.variables.length + place };
  }
}

/** The value in a list of operations that lacks the first `at` operations. */
function renumber(value: Value, at: number): Value {
  return value.from === 'operation' ? { ...value, index: value.index - at } : value;
}

function pick<T>(record: Readonly<Record<string, T>>, isWanted: (name: string) => boolean): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => isWanted(name)));
}
