/**
 * Releases memory while a gradient is being taken. tfjs keeps every tensor of the way back, and all tensors that were saved for it,
 * until the whole gradient is there; here each is disposed as soon as its operation has been passed.
 */

import * as tf from '@tensorflow/tfjs-core';

type Tape = NonNullable<ReturnType<typeof tf.engine>['state']['activeTape']>;
type GradientMap = ReturnType<NonNullable<Tape[number]['gradient']>>;

/**
 * Must be called when the tape is complete and before it is walked back, which can then be done once. tfjs asks the operations of a
 * tape for their gradients one after the other, the last one first: when the next is asked, the one before is finished.
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

/** Clones each gradient that is also another tensor of the list: otherwise it would be disposed with that tensor. */
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
