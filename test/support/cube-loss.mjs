/** A user's loss over the batch that holds 32 numbers for every three samples, so that its memory grows with the third power of the batch. */

export const declaration = { takesOther: false, over: 'batch' };

export function sum({ student: [logits] }, _, { core: tf }) {
  const [size] = logits.shape;
  const eight = tf.slice(logits, [0, 0], [size, 8]);
  const rows = tf.concat([eight, eight, eight, eight], 1);
  const along = (...shape) => tf.reshape(rows, [...shape, 32]);
  const cube = tf.square(tf.add(along(size, 1, 1), tf.add(along(1, size, 1), along(1, 1, size))));
  return { sum: tf.mul(tf.mean(cube), size), count: size };
}
