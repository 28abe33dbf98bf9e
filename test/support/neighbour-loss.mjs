/**
 * A user's loss over the batch that depends on all that a batch has: the order of its samples, their labels, both sides, and an adapter. Each
 * sample is to differ from the next one of another class as it does for the teacher.
 */

export const declaration = {
  takesTaps: true,
  over: 'batch',
  needs: ({ taps }, shapes) => ({
    student: taps.map(([layer]) => ({ of: 'tap', layer, reduce: null })),
    other: taps.map(([, layer]) => ({ of: 'tap', layer, reduce: null })),
    adapters: taps.map(([own, other], i) => ({
      name: `map${i}`,
      shape: [shapes.student(own).reduce((a, b) => a * b, 1), shapes.other(other).reduce((a, b) => a * b, 1)],
      initial: 'kaiming',
    })),
  }),
};

export function sum({ student, other, labels, adapters }, _, { core: tf }) {
  const [size] = labels.class_B.shape;
  const next = (tensor) => tf.concat([tf.slice(tensor, [1], [size - 1]), tf.slice(tensor, [0], [1])]);
  const flat = (tensor) => tf.reshape(tensor, [size, -1]);
  const step = (rows) => tf.sub(rows, tf.concat([tf.slice(rows, [1, 0], [size - 1, -1]), tf.slice(rows, [0, 0], [1, -1])]));
  const differs = tf.cast(tf.notEqual(labels.class_B, next(labels.class_B)), 'float32');
  const terms = student.map((own, i) => {
    const apart = tf.squaredDifference(step(tf.matMul(flat(own), adapters[`map${i}`])), step(flat(other[i])));
    return tf.mean(tf.mul(tf.mean(apart, 1), differs));
  });
  return { sum: tf.mul(tf.addN(terms), size), count: size };
}
