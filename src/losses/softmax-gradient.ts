/**
 * The gradient that the losses over class probabilities share, and the KL divergence that uses it: the derivative of such a
 * loss by the logits z is softmax(z) - q, with q a constant distribution for each row. It takes one native pass instead of the
 * tape's way back through log, sum and exp, and stays exact where those would overflow. `constant` makes the weights by which
 * losses multiply such a divergence. Axes: B batch, K classes.
 */

import * as tf from '@tensorflow/tfjs-core';

/**
 * `value(log softmax(logits))`, a number for each row or their sum, with the gradient softmax(logits) - distribution by the logits.
 * The caller promises that `value` has this gradient, and that the rows of the distribution add up to 1.
 */
export function withSoftmaxGradient<Value extends tf.Tensor1D | tf.Scalar>(
  logits_BK: tf.Tensor2D,
  distribution_BK: tf.Tensor2D,
  value: (logProbabilities_BK: tf.Tensor2D) => Value,
): Value {
  const operation = tf.customGrad((...inputs) => {
    const [logits, save] = inputs as [tf.Tensor2D, (tensors: tf.Tensor[]) => void];
    // tf.logSoftmax subtracts the row's maximum first: logits of any finite size give finite results.
    const logProbabilities_BK = tf.logSoftmax(logits);
    save([tf.sub(tf.exp(logProbabilities_BK), distribution_BK)]);
    return {
      value: value(logProbabilities_BK),
      gradFunc: (dy, saved) => tf.mul(dy.rank === 0 ? dy : tf.expandDims(dy, 1), (saved as tf.Tensor[])[0] as tf.Tensor),
    };
  });
  return operation(logits_BK) as Value;
}

/** KL(softmax(teacher) || softmax(student)) of each row, [B]. Gradients flow into the student's logits alone. */
export function softmaxDivergencePerSample(teacher_BK: tf.Tensor2D, student_BK: tf.Tensor2D): tf.Tensor1D {
  const teacherLog_BK = tf.logSoftmax(teacher_BK);
  const probability_BK = tf.exp(teacherLog_BK) as tf.Tensor2D;
  return withSoftmaxGradient(
    student_BK,
    probability_BK,
    (log_BK) => tf.sum(tf.mul(probability_BK, tf.sub(teacherLog_BK, log_BK)), 1) as tf.Tensor1D,
  );
}

/** The same, summed over the rows. */
export function softmaxDivergence(teacher_BK: tf.Tensor2D, student_BK: tf.Tensor2D): tf.Scalar {
  return tf.sum(softmaxDivergencePerSample(teacher_BK, student_BK));
}

/**
 * The tensor's value; no gradient flows through it (papers write "stop gradient" or "detach"). For the weight of a sample that is
 * computed from the student's own tensors.
 */
export function constant<T extends tf.Tensor>(tensor: T): T {
  const operation = tf.customGrad((...inputs) => {
    const [input] = inputs as [tf.Tensor];
    return { value: tf.clone(input), gradFunc: () => tf.zeros(input.shape) };
  });
  return operation(tensor) as T;
}
