/**
 * A forward pass whose tape is held open: the gradient can be taken later, with a loss that was not known before, and without
 * a second forward pass.
 *
 * tfjs has one tape, in the state of its engine. The tape is therefore taken out of that state when the forward pass ends, and put
 * back as the beginning of the tape of the loss. Between the two, tfjs behaves as if no tape were open: other operations may run,
 * other passes may be held, and other gradients taken. No operation of the way back is recorded.
 * Invariant: the tensors that a held pass keeps alive (its outputs and those saved for the gradient) are disposed once, by
 * `gradients` or by `dispose`.
 */

import * as tf from '@tensorflow/tfjs-core';
import { assert } from '../base/assert.js';
import { releaseAsPassed } from './tape-release.js';

type Tape = ReturnType<typeof tf.engine>['state']['activeTape'];

export interface HeldForward {
  /** The held pass owns them: clone a tensor that is to outlive the pass. A tensor may be in the list twice. */
  readonly outputs: readonly tf.Tensor[];
  /** The loss, a scalar, and its gradient by the variables, as tf.variableGrads returns them. Ends the held pass, also when it throws. */
  gradients(loss: () => tf.Scalar, variables: tf.Variable[]): ReturnType<typeof tf.variableGrads>;
  /** Drops the pass without a gradient. A second call changes nothing. */
  dispose(): void;
}

/** Runs `forward` under a tape of its own. Tensors that it does not return and that no gradient needs are disposed. */
export function holdForward(forward: () => tf.Tensor[]): HeldForward {
  const tape: Tape = [];
  const drop = () => {
    for (const { saved } of tape) tf.dispose(saved);
  };
  try {
    const outputs = withTape(tape, () => tf.tidy(forward)).map((output) => tf.keep(output));
    const dispose = () => {
      drop();
      for (const output of outputs) output.dispose();
    };
    return { outputs, gradients: (loss, variables) => gradientsOf(tape, { loss, variables, dispose }), dispose };
  } catch (error) {
    drop();
    throw error;
  }
}

/** Does the work of tfjs's private engine.startTape and endTape, but does not leave the tape behind. */
function withTape<Result>(tape: Tape, run: () => Result): Result {
  const { state } = tf.engine();
  assert(state.gradientDepth === 0, 'a forward pass within a gradient cannot be held');
  const before = state.activeTape;
  state.activeTape = tape;
  state.gradientDepth = 1;
  try {
    return run();
  } finally {
    state.gradientDepth = 0;
    state.activeTape = before;
  }
}

/** Runs a function that takes gradients of its own while the way back of another gradient is under way. */
export function outsideOfTape<Result>(run: () => Result): Result {
  const { state } = tf.engine();
  const before = state.activeTape;
  try {
    return run();
  } finally {
    state.activeTape = before;
  }
}

interface HeldGradient {
  readonly loss: () => tf.Scalar;
  readonly variables: tf.Variable[];
  readonly dispose: () => void;
}

function gradientsOf(tape: Tape, { loss, variables, dispose }: HeldGradient): ReturnType<typeof tf.variableGrads> {
  const { state } = tf.engine();
  assert(state.gradientDepth === 0, 'the gradient of a held pass cannot be taken within another');
  try {
    return tf.variableGrads(() => {
      // The operations of the loss go on where the forward pass ended.
      state.activeTape = tape;
      const value = loss();
      releaseAsPassed(tape);
      return value;
    }, variables);
  } finally {
    dispose();
  }
}
