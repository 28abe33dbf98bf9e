/** Models as users write them, of stock layers that the repository's own do not have. */

import { input, type LayersModel, layers, model, type SymbolicTensor } from '@tensorflow/tfjs-layers';

export interface ForeignShape {
  readonly inputShape: readonly [number, number, number];
  readonly classes: number;
}

type Build = (shape: ForeignShape) => LayersModel;
type Tensor = SymbolicTensor;

/** tfjs's `apply` answers anything. */
function through(x: Tensor | Tensor[], ...list: readonly { apply(x: Tensor | Tensor[]): unknown }[]): Tensor {
  return list.reduce<Tensor | Tensor[]>((value, layer) => layer.apply(value) as Tensor, x) as Tensor;
}

/** Branches of depthwise and separable convolutions, pooled and joined. */
const branches: Build = ({ inputShape, classes }) => {
  const image = input({ shape: [...inputShape] });
  const depthwise = through(
    image,
    layers.depthwiseConv2d({ kernelSize: 3, padding: 'same', depthMultiplier: 2 }),
    layers.leakyReLU({ alpha: 0.1 }),
  );
  const separable = through(image, layers.separableConv2d({ filters: 6, kernelSize: 3, padding: 'same' }), layers.elu());
  const dilated = through(image, layers.conv2d({ filters: 4, kernelSize: 3, padding: 'same', activation: 'softplus' }));
  const joined = through([depthwise, separable, dilated], layers.concatenate());
  const pooled = through(joined, layers.averagePooling2d({ poolSize: 3, strides: 2, padding: 'same' }), layers.layerNormalization());
  const logits = through(pooled, layers.flatten(), layers.dense({ units: 16, activation: 'tanh' }), layers.dense({ units: classes }));
  return model({ inputs: image, outputs: logits });
};

/** Residuals weighted by channel, up and down in size again. */
const excited: Build = ({ inputShape, classes }) => {
  const image = input({ shape: [...inputShape] });
  const start = through(
    image,
    layers.zeroPadding2d({ padding: 1 }),
    layers.conv2d({ filters: 8, kernelSize: 3, strides: 2 }),
    layers.prelu({ sharedAxes: [1, 2] }),
  );
  const weights = through(
    start,
    layers.globalAveragePooling2d({}),
    layers.dense({ units: 4, activation: 'swish' }),
    layers.dense({ units: 8, activation: 'hardSigmoid' }),
    layers.reshape({ targetShape: [1, 1, 8] }),
  );
  const weighted = through([start, weights], layers.multiply());
  const inner = through(
    weighted,
    layers.maxPooling2d({ poolSize: 2 }),
    layers.conv2d({ filters: 8, kernelSize: 1, activation: 'selu' }),
    layers.upSampling2d({ size: [2, 2] }),
  );
  const other = through(weighted, layers.maxPooling2d({ poolSize: 3, strides: 1, padding: 'same' }));
  const merged = through([through([weighted, inner], layers.add()), other], layers.maximum());
  const normed = through(merged, layers.batchNormalization({ scale: false, momentum: 0.8 }), layers.activation({ activation: 'relu6' }));
  return model({ inputs: image, outputs: through(normed, layers.globalMaxPooling2d({}), layers.dense({ units: classes })) });
};

/** Rows of pixels as a sequence, read by convolution and by a recurrent layer. */
const sequence: Build = ({ inputShape: [height, width, channels], classes }) => {
  const image = input({ shape: [height, width, channels] });
  const rows = through(image, layers.permute({ dims: [2, 1, 3] }), layers.reshape({ targetShape: [width, height * channels] }));
  const convolved = through(
    rows,
    layers.conv1d({ filters: 8, kernelSize: 3, padding: 'same' }),
    layers.batchNormalization({ center: false }),
    layers.activation({ activation: 'gelu' }),
  );
  const read = through(convolved, layers.gru({ units: 6, recurrentActivation: 'sigmoid' }));
  const mean = through(convolved, layers.globalAveragePooling1d({}));
  return model({ inputs: image, outputs: through([read, mean], layers.concatenate(), layers.dense({ units: classes, useBias: false })) });
};

/** A model within the model, called twice, with one set of weights. */
const siamese: Build = ({ inputShape: [height, width, channels], classes }) => {
  const half = input({ shape: [height / 2, width, channels] });
  const trunk = model({
    inputs: half,
    outputs: through(
      half,
      layers.conv2d({ filters: 4, kernelSize: 3, activation: 'sigmoid' }),
      layers.flatten(),
      layers.dense({ units: 8 }),
      layers.softmax(),
    ),
  });
  const image = input({ shape: [height, width, channels] });
  const upper = through(
    image,
    layers.cropping2D({
      cropping: [
        [0, height / 2],
        [0, 0],
      ],
    }),
    trunk,
  );
  const lower = through(
    image,
    layers.cropping2D({
      cropping: [
        [height / 2, 0],
        [0, 0],
      ],
    }),
    trunk,
  );
  const joined = through([through([upper, lower], layers.average()), through([upper, lower], layers.multiply())], layers.concatenate());
  return model({ inputs: image, outputs: through(joined, layers.dense({ units: classes })) });
};

export const FOREIGN_MODELS: Readonly<Record<string, Build>> = { branches, excited, sequence, siamese };
