import { input, type LayersModel, layers, model as makeModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import { openEngine } from '../../../src/engines/catalogue.js';
import { buildModel } from '../../../src/nn/build.js';
import { layerShapes, tapOf } from '../../../src/nn/tap.js';
import { disposeModel } from '../../../src/nn/weights.js';

const image = () => input({ shape: [8, 8, 3], name: 'image' });
const convolution = (name: string, filters = 2) => layers.conv2d({ name, filters, kernelSize: 3, padding: 'same' });
const logits = (x: SymbolicTensor) =>
  layers.dense({ name: 'logits', units: 4 }).apply(layers.flatten({ name: 'flat' }).apply(x)) as SymbolicTensor;

/** One layer that is called twice, and a model that is a layer. */
function oddModel(): LayersModel {
  const start = image();
  const shared = convolution('shared', 3);
  const twice = shared.apply(shared.apply(start)) as SymbolicTensor;
  const inner = input({ shape: [8, 8, 3], name: 'inner-image' });
  const nested = makeModel({ name: 'nested', inputs: inner, outputs: convolution('inside').apply(inner) as SymbolicTensor });
  return makeModel({ inputs: start, outputs: logits(nested.apply(twice) as SymbolicTensor) });
}

beforeAll(() => openEngine('cpu'));

describe('taps by name', () => {
  test('the output of a layer of the catalogue, with its shape', async () => {
    const model = await buildModel({ name: 'resnet8', options: {} }, { inputShape: [16, 16, 3], classes: 5, seed: 1 });
    const shapeOf = layerShapes(model);
    expect(tapOf(model, 'stage2.block1.relu2').shape).toEqual([null, 8, 8, 32]);
    disposeModel(model);
    // Shapes are the graph's: they stay when the weights are gone.
    expect(shapeOf('stage2.block1.relu2')).toEqual([8, 8, 32]);
    expect(shapeOf('pool')).toEqual([64]);
  });

  test('a layer without a name of its own is called after its class and place, the same in each process', () => {
    const build = () => {
      const start = image();
      const x = layers.conv2d({ filters: 2, kernelSize: 3 }).apply(layers.conv2d({ filters: 5, kernelSize: 3 }).apply(start));
      return makeModel({ inputs: start, outputs: logits(x as SymbolicTensor) });
    };
    const models = [build(), build()];
    for (const model of models) expect(tapOf(model, 'conv2d-1').shape).toEqual([null, 6, 6, 5]);
    models.forEach(disposeModel);
  });

  test.each([
    ['shard', 'the model has no layer "shard"; did you mean "shared"?'],
    ['shard', 'Its layers, with the shapes of their outputs: nested 8x8x2, flat 128, logits 4'],
    ['nothing like it', 'the model has no layer "nothing like it". Its layers, with the shapes'],
    ['shared', 'the layer "shared" has 2 outputs in the model, because it is called more than once'],
    ['inside', 'the layer "inside" is inside the model "nested", which is one layer of this model. Tap "nested"'],
    ['image', 'the layer "image" is the model\'s input'],
  ])('%s means no one tensor, and it is said why', (name, message) => {
    const model = oddModel();
    expect(() => tapOf(model, name)).toThrow(expect.objectContaining({ code: 'model.invalid', message: expect.stringContaining(message) }));
    disposeModel(model);
  });

  test('of a large model the closest names and those that are good to tap are listed, with shapes', async () => {
    const model = await buildModel({ name: 'resnet20', options: {} }, { inputShape: [32, 32, 3], classes: 10, seed: 1 });
    const message =
      'the model has no layer "stage2.block3.rely2"; did you mean "stage2.block3.relu2"? The closest: ' +
      'stage1.block3.relu2 32x32x16, stage2.block1.relu2 16x16x32, stage2.block2.relu2 16x16x32, stage2.block3.relu1 16x16x32, ' +
      'stage2.block3.relu2 16x16x32. Good to tap: stage1.block3.relu2 32x32x16, stage2.block3.relu2 16x16x32, stage3.block3.relu2 8x8x64, ' +
      'pool 64. `stillhouse model` lists all 74 layers';
    expect(() => tapOf(model, 'stage2.block3.rely2')).toThrow(expect.objectContaining({ message }));
    disposeModel(model);
  });

  test('a model that is a layer is tapped as one', () => {
    const model = oddModel();
    expect(layerShapes(model)('nested')).toEqual([8, 8, 2]);
    disposeModel(model);
  });

  test('a layer that another model calls as well has one output in each', () => {
    const layer = convolution('common');
    const models = [1, 2].map(() => {
      const start = image();
      return makeModel({ inputs: start, outputs: logits(layer.apply(start) as SymbolicTensor) });
    });
    const [a, b] = models.map((model) => tapOf(model, 'common'));
    expect(a).not.toBe(b);
    disposeModel(models[0] as LayersModel);
    (models[1] as LayersModel).getLayer('logits').dispose();
  });

  test('an axis that the model does not fix is refused', () => {
    const start = input({ shape: [null, null, 3], name: 'image' });
    const pooled = layers.globalAveragePooling2d({ name: 'pool' }).apply(convolution('wide').apply(start));
    const model = makeModel({ inputs: start, outputs: layers.dense({ name: 'logits', units: 4 }).apply(pooled) as SymbolicTensor });
    expect(() => layerShapes(model)('wide')).toThrow('the output of the layer "wide" has no fixed shape');
    expect(layerShapes(model)('pool')).toEqual([2]);
    disposeModel(model);
  });
});
