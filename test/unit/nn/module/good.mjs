/** A model without layer names: tfjs numbers them through the process. */
export function build({ inputShape, classes, options }, tf) {
  const { layers } = tf.layers;
  const start = tf.layers.input({ shape: inputShape });
  let x = layers.conv2d({ filters: options.filters, kernelSize: 3, useBias: false }).apply(start);
  x = layers.batchNormalization({}).apply(x);
  x = layers.depthwiseConv2d({ kernelSize: 3 }).apply(x);
  x = layers.prelu({}).apply(x);
  x = tf.layers.sequential({ layers: [layers.flatten({ inputShape: x.shape.slice(1) }), layers.dense({ units: 4 })] }).apply(x);
  return tf.layers.model({ inputs: start, outputs: layers.dense({ units: classes }).apply(x) });
}
