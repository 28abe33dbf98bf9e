/** The arithmetic of a layer for one image, by its kind, as a table: by hand from the definitions. */

import { describe, expect, test } from 'vitest';
import { costOf, type LayerFacts } from '../../../src/nn/layer-cost.js';

const layer = (kind: string, facts: Partial<LayerFacts> = {}): LayerFacts => ({
  ...{ kind, config: {}, weights: {}, inputs: [[8, 8, 3]], output: [8, 8, 3] },
  ...facts,
});
const RELU = { activation: 'relu' };
const conv = { weights: { kernel: [3, 3, 3, 16] }, output: [8, 8, 16] };

describe('cost of one call', () => {
  const cases: readonly (readonly [string, LayerFacts, number, number])[] = [
    // Each of 8 x 8 places: 3 x 3 x 3 x 16 products.
    ['convolution', layer('Conv2D', conv), 27_648, 2 * 27_648],
    ['with a bias', layer('Conv2D', { ...conv, weights: { ...conv.weights, bias: [16] } }), 27_648, 2 * 27_648 + 1024],
    ['with bias and ReLU', layer('Conv2D', { ...conv, weights: { ...conv.weights, bias: [16] }, config: RELU }), 27_648, 55_296 + 2048],
    ['of stride 2: by the places of the output', layer('Conv2D', { ...conv, output: [4, 4, 16] }), 6912, 13_824],
    ['1x1', layer('Conv2D', { weights: { kernel: [1, 1, 3, 5] }, output: [8, 8, 5] }), 960, 1920],
    ['over a sequence', layer('Conv1D', { weights: { kernel: [3, 4, 6] }, inputs: [[10, 4]], output: [8, 6] }), 8 * 72, 16 * 72],
    ['depthwise', layer('DepthwiseConv2D', { weights: { depthwise_kernel: [3, 3, 3, 1] } }), 64 * 27, 128 * 27],
    [
      'depthwise with a multiplier of 2',
      layer('DepthwiseConv2D', { weights: { depthwise_kernel: [3, 3, 3, 2] }, output: [8, 8, 6] }),
      64 * 54,
      128 * 54,
    ],
    [
      'separable: depthwise and 1x1',
      layer('SeparableConv2D', {
        weights: { depthwise_kernel: [3, 3, 3, 1], pointwise_kernel: [1, 1, 3, 16], bias: [16] },
        output: [8, 8, 16],
      }),
      64 * (27 + 48),
      128 * (27 + 48) + 1024,
    ],
    [
      'transposed: by the places of the input',
      layer('Conv2DTranspose', { weights: { kernel: [2, 2, 16, 3] }, inputs: [[4, 4, 3]], output: [8, 8, 16] }),
      16 * 192,
      32 * 192,
    ],
    ['dense', layer('Dense', { weights: { kernel: [64, 10], bias: [10] }, inputs: [[64]], output: [10] }), 640, 1290],
    ['dense without a bias', layer('Dense', { weights: { kernel: [64, 10] }, inputs: [[64]], output: [10] }), 640, 1280],
    ['dense over rows', layer('Dense', { weights: { kernel: [6, 10] }, inputs: [[5, 6]], output: [5, 10] }), 300, 600],
    ['BatchNorm: a factor and a shift', layer('BatchNormalization', { weights: { gamma: [3], beta: [3] } }), 0, 384],
    ['ReLU', layer('ReLU'), 0, 192],
    ['an activation', layer('Activation', { config: RELU }), 0, 192],
    ['the linear activation', layer('Activation', { config: { activation: 'linear' } }), 0, 0],
    ['max pooling: by its window', layer('MaxPooling2D', { config: { poolSize: [2, 2] }, output: [4, 4, 3] }), 0, 48 * 4],
    ['overlapping pooling', layer('AveragePooling2D', { config: { poolSize: [3, 3] }, output: [4, 4, 3] }), 0, 48 * 9],
    ['global pooling: by its input', layer('GlobalAveragePooling2D', { output: [3] }), 0, 192],
    [
      'a sum of two',
      layer('Add', {
        inputs: [
          [8, 8, 3],
          [8, 8, 3],
        ],
      }),
      0,
      192,
    ],
    ['a sum of four', layer('Add', { inputs: Array.from({ length: 4 }, () => [8, 8, 3]) }), 0, 576],
    ...['Flatten', 'ZeroPadding2D', 'Concatenate', 'Dropout', 'SpatialDropout1D', 'InputLayer', 'Reshape'].map(
      (kind): readonly [string, LayerFacts, number, number] => [kind, layer(kind), 0, 0],
    ),
  ];
  test.each(cases)('%s', (_, facts, multiplyAdds, flops) => {
    expect(costOf(facts)).toEqual({ multiplyAdds, flops });
  });

  test.each(['LSTM', 'ConvLSTM2D', 'LayerNormalization', 'Dot'])('%s has no rule, and no guess takes its place', (kind) => {
    expect(costOf(layer(kind))).toBeNull();
  });
});
