/**
 * Memory given back while a gradient is being taken. tfjs keeps every tensor of the way back, and all that was saved for it, until
 * the whole gradient is there; here each goes as soon as the operation that it belongs to has been passed.
 */

import * as tf from '@tensorflow/tfjs-core';

type Tape = NonNullable<ReturnType<typeof tf.engine>['state']['activeTape']>;
type GradientMap = ReturnType<NonNullable<Tape[number]['gradient']>>;

/**
 * To be called when the tape is complete and before it is walked back, which can then be done once. tfjs asks the operations of a
 * tape for their gradients one after the other, the last one first: when the next is asked, the one before is done with.
 */
export function releaseAsPassed(tape: Tape): void {
  let passed: tf.Tensor[] = [];
  for (const node of tape) {
    const { gradient, saved = [] } = node;
    if (gradient === undefined) continue;
    node.gradient = (dys) => {
      tf.dispose(passed);
      passed = [...dys, ...saved].filter((tensor) => tensor !== null);
      return withOwnTensors(gradient(dys), passed);
    };
  }
}

/** Gradients that are tensors of their own: one that is also someone else's would be disposed with it. */
function withOwnTensors(gradients: GradientMap, others: readonly tf.Tensor[]): GradientMap {
  const taken = new Set(others);
  const own = (make: () => tf.Tensor) => () => {
    const made = make();
    const tensor = taken.has(made) ? tf.clone(made) : made;
    taken.add(tensor);
    return tensor;
  };
  return Object.fromEntries(Object.entries(gradients).map(([name, make]) => [name, own(make)]));
}
