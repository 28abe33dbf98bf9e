/** A model as a user writes it: two convolutions with BatchNorm, small enough for the cpu engine. */

/** The builder that Stillhouse calls. */
export function build({ inputShape, classes, seed }, tf) {
  const { layers, initializers } = tf.layers;
  const initial = (offset) => initializers.glorotUniform({ seed: seed + offset });
  const image = tf.layers.input({ shape: inputShape });
  let x = image;
  for (const [i, filters] of [4, 6].entries()) {
    const convolution = { filters, kernelSize: 3, strides: 2, padding: 'same', useBias: false, kernelInitializer: initial(i) };
    x = layers.batchNormalization({ epsilon: 1e-5, momentum: 0.9 }).apply(layers.conv2d(convolution).apply(x));
    x = layers.activation({ activation: 'relu' }).apply(x);
  }
  const logits = layers.dense({ units: classes, kernelInitializer: initial(2) }).apply(layers.flatten().apply(x));
  return tf.layers.model({ inputs: image, outputs: logits });
}
