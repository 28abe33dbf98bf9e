/**
 * A model as a user writes it: a random stack of stock layers that the package's own models do not have. The option `draw` says which
 * stack; the same draw is always the same model.
 */

const ACTIVATIONS = ['elu', 'tanh', 'sigmoid', 'softplus', 'selu'];

/** Numbers in [0, 1), a function of the seed: the generator mulberry32. */
function drawsFrom(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The builder that Stillhouse calls. `context.options.draw`: a whole number. */
export function build({ inputShape, classes, seed, options }, tf) {
  const { layers, initializers } = tf.layers;
  const next = drawsFrom(options.draw);
  const whole = (from, to) => from + Math.floor(next() * (to - from + 1));
  const oneOf = (list) => list[whole(0, list.length - 1)];
  let tensors = 0;
  const initial = () => initializers.glorotUniform({ seed: (seed + 7919 * ++tensors) % 2 ** 31 });
  const dense = (units, activation) => layers.dense({ units, activation, kernelInitializer: initial() });

  const depthwise = (x) =>
    layers
      .depthwiseConv2d({
        kernelSize: oneOf([2, 3]),
        padding: 'same',
        depthMultiplier: whole(1, 2),
        activation: oneOf(ACTIVATIONS),
        depthwiseInitializer: initial(),
      })
      .apply(x);
  const separable = (x) =>
    layers
      .separableConv2d({
        filters: whole(3, 6),
        kernelSize: 3,
        padding: 'same',
        depthwiseInitializer: initial(),
        pointwiseInitializer: initial(),
      })
      .apply(x);
  const averaged = (x) => layers.averagePooling2d({ poolSize: whole(2, 3), strides: whole(1, 2), padding: 'same' }).apply(x);
  const dense4d = (x) => dense(whole(3, 8), oneOf(ACTIVATIONS)).apply(x);
  const flat = (x) => layers.conv2d({ filters: whole(3, 6), kernelSize: [1, 5], padding: 'same', kernelInitializer: initial() }).apply(x);
  const normed = (x) => layers.activation({ activation: 'relu6' }).apply(layers.layerNormalization().apply(x));
  const joined = (x) => layers.concatenate().apply([depthwise(x), dense4d(x)]);
  const excited = (x) => {
    const channels = x.shape[3];
    const weights = dense(channels, 'hardSigmoid').apply(layers.globalAveragePooling2d({}).apply(x));
    return layers.multiply().apply([x, layers.reshape({ targetShape: [1, 1, channels] }).apply(weights)]);
  };

  const image = tf.layers.input({ shape: inputShape });
  const kinds = [depthwise, separable, averaged, dense4d, flat, normed, joined, excited];
  let x = image;
  for (let left = whole(3, 5); left > 0; left--) x = kinds.splice(whole(0, kinds.length - 1), 1)[0](x);
  const tail = oneOf([layers.flatten(), layers.globalAveragePooling2d({}), layers.globalMaxPooling2d({})]);
  const hidden = dense(whole(6, 12), oneOf(ACTIVATIONS)).apply(tail.apply(x));
  return tf.layers.model({ inputs: image, outputs: dense(classes).apply(hidden) });
}
