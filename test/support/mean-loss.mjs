/** A user's loss over the batch that needs no other side: the mean of the logits over the batch is to be 0. */

export const declaration = { takesOther: false, over: 'batch' };

export function sum({ student: [logits] }, _, { core: tf }) {
  const [size] = logits.shape;
  return { sum: tf.mul(tf.sum(tf.square(tf.mean(logits, 0))), size), count: size };
}
