/** The refusal to trace. Owns its type, and what errors of TensorFlow become. */

import { messageOf } from '../errors/stillhouse-error.js';

/** Why a function cannot be traced: an expected answer, for whoever traces it to go on without. */
export class TraceRefusal extends Error {
  override readonly name = 'TraceRefusal';
}

/** libtensorflow may not take the graph, or not run it: what it throws becomes a TraceRefusal. */
export function refuseWhatFails<Result>(run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    if (error instanceof TraceRefusal) throw error;
    throw new TraceRefusal(`TensorFlow does not run the graph: ${messageOf(error)}`);
  }
}
