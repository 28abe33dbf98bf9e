/** The refusal to trace: its type, and the conversion of TensorFlow's errors to it. */

import { messageOf } from '../errors/stillhouse-error.js';

/** The reason why a function cannot be traced. It is an expected answer: the caller goes on without a trace. */
export class TraceRefusal extends Error {
  override readonly name = 'TraceRefusal';
}

/** Runs the function. Any error that it throws becomes a TraceRefusal: libtensorflow may not accept the graph, or may fail to run it. */
export function refuseWhatFails<Result>(run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    if (error instanceof TraceRefusal) throw error;
    throw new TraceRefusal(`TensorFlow does not run the graph: ${messageOf(error)}`);
  }
}
