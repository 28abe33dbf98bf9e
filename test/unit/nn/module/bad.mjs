/** One mistake for each value of `options.mistake`. */
export function build({ inputShape, classes, options }, tf) {
  const { layers } = tf.layers;
  const start = tf.layers.input({ shape: inputShape });
  const flat = layers.flatten({}).apply(start);
  const end = (x, changes = {}) => layers.dense({ units: classes, ...changes }).apply(x);
  const model = (outputs) => tf.layers.model({ inputs: start, outputs });
  switch (options.mistake) {
    case 'throws':
      throw new Error('out of ideas');
    case 'not-a-model':
      return { layers: [] };
    case 'classes':
      return model(end(flat, { units: classes + 1 }));
    case 'map':
      return model(start);
    case 'two-outputs':
      return model([end(flat), end(flat)]);
    case 'input':
      return tf.layers.sequential({ layers: [layers.flatten({ inputShape: [5, 5, 1] }), layers.dense({ units: classes })] });
    case 'softmax':
      return model(end(flat, { activation: 'softmax', name: 'probabilities' }));
    case 'sigmoid-layer':
      return model(layers.activation({ activation: 'sigmoid', name: 'squashed' }).apply(end(flat)));
    case 'relu-layer':
      return model(layers.reLU({ name: 'positive' }).apply(end(flat)));
    case 'nested-softmax': {
      const inner = tf.layers.sequential({
        layers: [layers.dense({ units: classes, activation: 'softmax', inputShape: flat.shape.slice(1), name: 'inner' })],
      });
      return model(inner.apply(flat));
    }
    case 'regularizer':
      return model(end(flat, { kernelRegularizer: tf.layers.regularizers.l2({ l2: 0.1 }), name: 'penalised' }));
    case 'constraint':
      return model(end(flat, { kernelConstraint: tf.layers.constraints.nonNeg(), name: 'bounded' }));
    case 'norm-axis':
      return model(end(layers.flatten({}).apply(layers.batchNormalization({ axis: 1, name: 'rows' }).apply(start))));
    case 'seed':
      return model(end(layers.dropout({ rate: 0.5, seed: 1, name: 'same' }).apply(flat)));
    case 'wrong-tf':
      return tf.model({ inputs: start, outputs: end(flat) });
    case 'custom-layer': {
      class Doubling extends layers.Layer {
        static className = 'Doubling';
        call(inputs) {
          return tf.core.mul(Array.isArray(inputs) ? inputs[0] : inputs, 2);
        }
      }
      tf.core.serialization.registerClass(Doubling);
      return model(new Doubling({ name: 'twice' }).apply(end(flat)));
    }
    default:
      return model(end(flat));
  }
}
