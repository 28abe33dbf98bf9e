import { expect, test } from 'vitest';
import { formatLarge, modelText } from '../../../src/cli/model-text.js';

test.each([
  [0, '0'],
  [999, '999'],
  [1000, '1.00 k'],
  [40_551_424, '40.55 M'],
  [1_814_073_344, '1.81 G'],
])('%i is %s', (count, text) => {
  expect(formatLarge(count)).toBe(text);
});

test('a cost that is not known, a size that is not fixed, a layer of several outputs, and a model without a layer to tap are said', () => {
  const layer = { kind: 'Conv2D', label: 'conv 3x3', shape: [null, null, 4], parameters: 1234, cost: null };
  const text = modelText({
    layers: [
      { ...layer, name: 'wide' },
      { ...layer, name: 'odd', kind: 'LSTM', label: 'lstm', shape: null },
    ],
    ...{ parameters: 2468, trainable: 0, cost: { multiplyAdds: 0, flops: 0 }, taps: { maps: [], beforeClassifier: null } },
    ...{ inputShape: [null, null, 3], classes: null, unfit: null },
  });
  expect(text.split('\n')).toEqual([
    'layer       kind    output   parameters     FLOPs',
    '-------------------------------------------------',
    'wide    conv 3x3     ?x?x4        1,234   unknown',
    'odd         lstm   several        1,234   unknown',
    'images ?x?x3, classes ?',
    'parameters: 2,468, of which 0 are trainable',
    'for one image: 0 multiply-adds of convolutions and dense layers;',
    '  0 FLOPs, two for each multiply-add, one for each other operation',
    '  without 2 layers whose cost is not known: Conv2D, LSTM',
    'no layer is good to tap: every path has branches',
  ]);
});
