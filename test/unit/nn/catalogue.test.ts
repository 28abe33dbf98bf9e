import type { LayersModel } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import { openEngine } from '../../../src/engines/catalogue.js';
import { buildModel } from '../../../src/nn/build.js';
import { MODELS } from '../../../src/nn/catalogue.js';
import type { BuildContext } from '../../../src/nn/model-family.js';
import { MODEL_NAMES } from '../../../src/nn/names.js';
import { arenaSchemaOf, leafLayers, readArena } from '../../../src/nn/weights.js';

const FASHION = { inputShape: [28, 28, 1], classes: 10, seed: 1 } as const;
const CIFAR = { inputShape: [32, 32, 3], classes: 10, seed: 1 } as const;

async function build(
  name: string,
  options: BuildContext['options'] = {},
  context: Omit<BuildContext, 'options'> = CIFAR,
): Promise<LayersModel> {
  return buildModel({ name, options: { ...options } }, context);
}

function trainableOf(model: LayersModel): number {
  return arenaSchemaOf(model)
    .entries.filter(({ trainable }) => trainable)
    .reduce((sum, { size }) => sum + size, 0);
}

function entryOf(model: LayersModel, name: string): Float32Array {
  const schema = arenaSchemaOf(model);
  const entry = schema.entries.find((candidate) => candidate.name === name);
  if (entry === undefined) throw new Error(`no entry ${name} among ${schema.entries.map((e) => e.name).join(', ')}`);
  return readArena(model, schema).subarray(entry.offset, entry.offset + entry.size);
}

function spread(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
}

beforeAll(async () => {
  await openEngine('cpu');
});

test('every name has its family', () => {
  expect(Object.keys(MODELS)).toEqual([...MODEL_NAMES]);
});

describe('parameter counts', () => {
  // ResNets: the counts that go with He et al. 2015, table 6 (0.27M, 0.46M, 0.66M, 0.85M, 1.7M), BatchNorm's scale and
  // shift included; shortcut B adds 512 + 2,048 for the two projections and 192 for their BatchNorms.
  test.each([
    ['resnet8', {}, 75_290],
    ['resnet14', {}, 172_506],
    ['resnet20', {}, 269_722],
    ['resnet32', {}, 464_154],
    ['resnet44', {}, 658_586],
    ['resnet56', {}, 853_018],
    ['resnet110', {}, 1_727_962],
    ['resnet20', { shortcut: 'B' }, 272_474],
    ['resnet56', { shortcut: 'B' }, 855_770],
  ])('%s %j: %i', async (name, options, expected) => {
    const model = await build(name, options);
    expect(trainableOf(model)).toBe(expected);
    model.dispose();
  });

  // Those of the networks in PyTorch, built as RepDistiller's: 100 classes, 32x32x3.
  test.each([
    ['resnet8x4', 1_233_540],
    ['resnet32x4', 7_433_860],
    ['wrn-16-2', 703_284],
    ['wrn-40-1', 569_780],
    ['wrn-40-2', 2_255_156],
    ['vgg8', 3_965_028],
    ['vgg13', 9_462_180],
    ['vgg16', 14_774_436],
    ['mobilenetv2', 812_836],
    ['shufflenetv1', 949_258],
    ['shufflenetv2', 1_355_528],
    ['densenet-bc', 800_032],
  ])('%s on CIFAR-100: %i', async (name, expected) => {
    const model = await build(name, {}, { ...CIFAR, classes: 100 });
    expect(trainableOf(model)).toBe(expected);
    model.dispose();
  });

  // Those of the networks in PyTorch, built as torchvision's: 1000 classes. The stems take small images, too.
  test.each([
    ['resnet18', 11_689_512],
    ['resnet34', 21_797_672],
    ['resnet50', 25_557_032],
    ['mobilenetv1', 4_231_976],
  ])('%s with 1000 classes: %i', async (name, expected) => {
    const model = await build(name, {}, { ...CIFAR, classes: 1000 });
    expect(trainableOf(model)).toBe(expected);
    model.dispose();
  });

  test.each([
    ['cnn-teacher', {}, 52_138],
    ['cnn-student', {}, 4_266],
    ['cnn', { channels: '8,16', down: 'pool', hidden: 64 }, 52_138],
    ['cnn', { channels: '4,8', down: 'stride', hidden: 0 }, 4_266],
    ['cnn', { channels: '2', hidden: 0 }, 2 * 9 + 2 + 2 * 14 * 14 * 10 + 10],
  ])('%s %j: %i', async (name, options, expected) => {
    const model = await build(name, options, FASHION);
    expect(trainableOf(model)).toBe(expected);
    expect(arenaSchemaOf(model).size).toBe(expected);
    model.dispose();
  });

  test('100 classes change the last layer only', async () => {
    const model = await build('resnet8', {}, { ...CIFAR, classes: 100 });
    expect(trainableOf(model)).toBe(75_290 + 65 * 90);
    expect(model.outputs[0]?.shape).toEqual([null, 100]);
    model.dispose();
  });
});

describe('initial parameters', () => {
  test.each(['cnn-student', 'resnet8'])('%s: a function of the seed', async (name) => {
    const models = await Promise.all([1, 1, 2].map((seed) => build(name, {}, { ...CIFAR, seed })));
    const [one, again, other] = models.map((model) => readArena(model, arenaSchemaOf(model)));
    expect(again).toEqual(one);
    expect(other).not.toEqual(one);
    for (const model of models) model.dispose();
  });

  test('two layers of one shape start differently', async () => {
    const model = await build('resnet8');
    expect(entryOf(model, 'stage1.block1.conv1/kernel')).not.toEqual(entryOf(model, 'stage1.block1.conv2/kernel'));
    model.dispose();
  });

  test('ResNet: normal with variance 2 / fan out; the classifier uniform within 1 / sqrt(fan in); BatchNorm 1, 0, 0, 1', async () => {
    const model = await build('resnet8');
    const kernel = entryOf(model, 'stage3.block1.conv2/kernel');
    expect(spread(kernel)).toBeCloseTo(Math.sqrt(2 / (9 * 64)), 3);
    // Normal, not uniform: some lie beyond 3 standard deviations.
    expect(kernel.some((x) => Math.abs(x) > 3 * Math.sqrt(2 / (9 * 64)))).toBe(true);
    const down = entryOf(model, 'stage2.block1.conv1/kernel');
    expect(spread(down) / Math.sqrt(2 / (9 * 32))).toBeCloseTo(1, 1);
    const logits = entryOf(model, 'logits/kernel');
    expect(Math.max(...logits)).toBeLessThanOrEqual(1 / 8);
    expect(spread(logits)).toBeCloseTo(1 / 8 / Math.sqrt(3), 2);
    expect(entryOf(model, 'logits/bias').every((x) => x !== 0 && Math.abs(x) <= 1 / 8)).toBe(true);
    const constants = ['gamma', 'beta', 'moving_mean', 'moving_variance'].map((weight) => [
      ...new Set(entryOf(model, `stem.norm/${weight}`)),
    ]);
    expect(constants).toEqual([[1], [0], [0], [1]]);
    model.dispose();
  });

  test('wide ResNet: as a ResNet, but the bias of the classifier is 0', async () => {
    const model = await build('wrn-16-2');
    expect(spread(entryOf(model, 'stage3.block2.conv2/kernel'))).toBeCloseTo(Math.sqrt(2 / (9 * 128)), 3);
    expect(spread(entryOf(model, 'logits/kernel'))).toBeCloseTo(1 / Math.sqrt(3 * 128), 2);
    expect([...new Set(entryOf(model, 'logits/bias'))]).toEqual([0]);
    model.dispose();
  });

  test('DenseNet-BC: as a wide ResNet', async () => {
    const model = await build('densenet-bc');
    expect(trainableOf(model)).toBe(769_162);
    expect(spread(entryOf(model, 'stage1.conv/kernel')) / Math.sqrt(2 / 108)).toBeCloseTo(1, 1);
    expect(spread(entryOf(model, 'stage3.block2.conv2/kernel')) / Math.sqrt(2 / (9 * 12))).toBeCloseTo(1, 1);
    expect(spread(entryOf(model, 'logits/kernel')) * Math.sqrt(3 * 342)).toBeCloseTo(1, 1);
    expect([...new Set(entryOf(model, 'logits/bias'))]).toEqual([0]);
    model.dispose();
  });

  test('VGG: convolutions normal with variance 2 / fan out, the classifier normal with deviation .01, all biases 0', async () => {
    const model = await build('vgg8');
    expect(spread(entryOf(model, 'group4.conv1/kernel'))).toBeCloseTo(Math.sqrt(2 / (9 * 512)), 4);
    const logits = entryOf(model, 'logits/kernel');
    expect(spread(logits)).toBeCloseTo(0.01, 3);
    expect(logits.some((x) => Math.abs(x) > 0.03)).toBe(true);
    expect([...new Set([...entryOf(model, 'group4.conv1/bias'), ...entryOf(model, 'logits/bias')])]).toEqual([0]);
    model.dispose();
  });

  test('ImageNet ResNet: as a small ResNet', async () => {
    const model = await build('resnet18');
    expect(spread(entryOf(model, 'stem.conv/kernel')) / Math.sqrt(2 / (49 * 64))).toBeCloseTo(1, 1);
    expect(spread(entryOf(model, 'stage2.block1.project/kernel')) / Math.sqrt(2 / 128)).toBeCloseTo(1, 1);
    expect(entryOf(model, 'logits/bias').every((x) => x !== 0 && Math.abs(x) <= 1 / Math.sqrt(512))).toBe(true);
    model.dispose();
  });

  test("MobileNetV1: PyTorch's default; a depthwise filter sees one channel, so that its bound is 1 / sqrt(9)", async () => {
    const model = await build('mobilenetv1');
    const depthwise = entryOf(model, 'block13.depthwise/depthwise_kernel');
    expect(Math.max(...depthwise)).toBeLessThanOrEqual(1 / 3);
    expect(spread(depthwise)).toBeCloseTo(1 / 3 / Math.sqrt(3), 2);
    expect(spread(entryOf(model, 'block13.pointwise/kernel'))).toBeCloseTo(1 / Math.sqrt(3 * 1024), 3);
    model.dispose();
  });

  test('MobileNetV2: convolutions normal with variance 2 / fan out, the classifier normal with deviation .01', async () => {
    const model = await build('mobilenetv2');
    // The fan out of a depthwise convolution counts the outputs of all channels.
    expect(spread(entryOf(model, 'stage6.block2.depthwise/depthwise_kernel')) / Math.sqrt(2 / (9 * 480))).toBeCloseTo(1, 1);
    expect(spread(entryOf(model, 'stage6.block2.expand/kernel')) / Math.sqrt(2 / 480)).toBeCloseTo(1, 1);
    expect(spread(entryOf(model, 'logits/kernel'))).toBeCloseTo(0.01, 3);
    expect([...new Set(entryOf(model, 'logits/bias'))]).toEqual([0]);
    model.dispose();
  });

  test("ShuffleNets: PyTorch's default; a filter of a group sees the channels of its group", async () => {
    const one = await build('shufflenetv1');
    for (const group of ['group1', 'group2', 'group3']) {
      const kernel = entryOf(one, `stage3.block2.conv1.${group}/kernel`);
      expect(Math.max(...kernel)).toBeLessThanOrEqual(1 / Math.sqrt(960 / 3));
      expect(spread(kernel) * Math.sqrt(960)).toBeCloseTo(1, 1);
    }
    one.dispose();
    const two = await build('shufflenetv2');
    expect(spread(entryOf(two, 'stage3.block2.conv1/kernel')) * Math.sqrt(3 * 232)).toBeCloseTo(1, 1);
    expect(spread(entryOf(two, 'stage3.block1.left-depthwise/depthwise_kernel')) * Math.sqrt(3 * 9)).toBeCloseTo(1, 1);
    two.dispose();
  });

  test("small CNN: PyTorch's default, kernel and bias uniform within 1 / sqrt(fan in)", async () => {
    const model = await build('cnn-teacher', {}, FASHION);
    const bound = 1 / Math.sqrt(8 * 9);
    for (const name of ['conv2/kernel', 'conv2/bias']) {
      expect(Math.max(...entryOf(model, name).map(Math.abs))).toBeLessThanOrEqual(bound);
    }
    expect(spread(entryOf(model, 'conv2/kernel'))).toBeCloseTo(bound / Math.sqrt(3), 2);
    expect(entryOf(model, 'conv2/bias').every((x) => x !== 0)).toBe(true);
    model.dispose();
  });
});

describe('layers', () => {
  // From each block's end on, where losses of features tap: [height, width, channels].
  test.each([
    [
      'resnet8x4',
      ['stage1.block1.relu2', 'stage2.block1.relu2', 'stage3.block1.relu2'],
      [
        [32, 64],
        [16, 128],
        [8, 256],
      ],
    ],
    [
      'wrn-16-2',
      ['stage1.block2.add', 'stage2.block2.add', 'last.relu'],
      [
        [32, 32],
        [16, 64],
        [8, 128],
      ],
    ],
    [
      'vgg8',
      ['group1.relu1', 'group2.relu1', 'group3.relu1', 'group4.relu1', 'group5.relu1'],
      [
        [32, 64],
        [16, 128],
        [8, 256],
        [4, 512],
        [4, 512],
      ],
    ],
    [
      'resnet18',
      ['stem.relu', 'stage1.block2.relu2', 'stage2.block2.relu2', 'stage3.block2.relu2', 'stage4.block2.relu2'],
      [
        [16, 64],
        [8, 64],
        [4, 128],
        [2, 256],
        [1, 512],
      ],
    ],
    [
      'resnet50',
      ['stage1.block3.relu3', 'stage2.block4.relu3', 'stage3.block6.relu3', 'stage4.block3.relu3'],
      [
        [8, 256],
        [4, 512],
        [2, 1024],
        [1, 2048],
      ],
    ],
    [
      'mobilenetv1',
      ['block1.relu2', 'block3.relu2', 'block5.relu2', 'block11.relu2', 'block13.relu2'],
      [
        [16, 64],
        [8, 128],
        [4, 256],
        [2, 512],
        [1, 1024],
      ],
    ],
    [
      'mobilenetv2',
      ['stem.relu', 'stage2.block2.add', 'stage3.block3.add', 'stage5.block3.add', 'stage7.block1.norm3', 'last.relu'],
      [
        [16, 16],
        [16, 12],
        [8, 16],
        [4, 48],
        [2, 160],
        [2, 1280],
      ],
    ],
    [
      'shufflenetv1',
      ['stem.relu', 'stage1.block4.relu3', 'stage2.block1.mean', 'stage2.block8.relu3', 'stage3.block4.relu3'],
      [
        [32, 24],
        [16, 240],
        [8, 240],
        [8, 480],
        [4, 960],
      ],
    ],
    [
      'shufflenetv2',
      ['stem.relu', 'stage1.block1.left-relu', 'stage1.block4.shuffle', 'stage2.block8.shuffle', 'stage3.block4.shuffle', 'last.relu'],
      [
        [32, 24],
        [16, 58],
        [16, 116],
        [8, 232],
        [4, 464],
        [4, 1024],
      ],
    ],
    [
      'densenet-bc',
      ['stem.conv', 'stage1.block16.join', 'stage1.conv', 'stage2.block16.join', 'stage3.block16.join'],
      [
        [32, 24],
        [32, 216],
        [32, 108],
        [16, 300],
        [8, 342],
      ],
    ],
  ] as const)('%s: the ends of its blocks', async (name, taps, expected) => {
    const model = await build(name);
    const shapes = taps.map((tap) => model.getLayer(tap).outputShape);
    expect(shapes).toEqual(expected.map(([size, channels]) => [null, size, size, channels]));
    model.dispose();
  });

  test.each([
    [28, ['group3.pool']],
    [64, ['group3.pool', 'group4.pool']],
  ])('VGG on images of %i pixels ends with %j', async (size, last) => {
    const model = await build('vgg8', {}, { ...CIFAR, inputShape: [size, size, 1] });
    const pools = model.layers.map(({ name }) => name).filter((name) => /^group[3-5]\.pool$/.test(name));
    expect(pools).toEqual(last);
    model.dispose();
  });

  test('VGG refuses images that are too small, in words', async () => {
    const refused = build('vgg8', {}, { ...CIFAR, inputShape: [7, 32, 3] });
    await expect(refused).rejects.toThrow(/model 'vgg8' cannot be built for images of 7x32x3.*give images of 8x8 or more/);
  });

  test("BatchNorm has PyTorch's epsilon and momentum, convolutions before it no bias", async () => {
    const model = await build('resnet8', { shortcut: 'B' });
    const configs = leafLayers(model).map((layer) => ({ type: layer.getClassName(), ...layer.getConfig() }) as Record<string, unknown>);
    const norms = configs.filter(({ type }) => type === 'BatchNormalization');
    expect(norms.length).toBe(9);
    expect(norms.every(({ epsilon, momentum }) => epsilon === 1e-5 && momentum === 0.9)).toBe(true);
    expect(configs.filter(({ type }) => type === 'Conv2D').every(({ useBias }) => useBias === false)).toBe(true);
    model.dispose();
  });

  test('logits, not probabilities: the last layer has no activation', async () => {
    for (const name of ['cnn-teacher', 'cnn-student', 'resnet8']) {
      const model = await build(name);
      expect(model.layers.at(-1)?.getConfig()).toMatchObject({ name: 'logits', activation: 'linear' });
      model.dispose();
    }
  });
});
