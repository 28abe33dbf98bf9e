/**
 * With oneDNN off the graph computes as the eager engine does: of the same rows, on as many threads, the traced program must
 * give the same bits. The deep models are in test/long.
 */

import { beforeAll, expect, test } from 'vitest';
import { openEngine } from '../../src/engines/catalogue.js';
import { leafLayers } from '../../src/nn/weights.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { catalogueModel, DEEP_MODELS, expectSameBits, MODEL_NAMES, OPTIMIZERS, openPair, STAGES } from '../support/trace-parity.js';

// Read by libtensorflow when it is loaded, which is in this file's own process.
process.env.TF_ENABLE_ONEDNN_OPTS = '0';

describeTensorflow('traced as eager, to the bit', () => {
  beforeAll(() => openEngine('tensorflow'));

  const methods = Object.entries(STAGES).flatMap(([loss, stageOf]) =>
    Object.entries(OPTIMIZERS).map(([name, optimizer]) => [loss, name, stageOf(optimizer)] as const),
  );
  test.each(methods)('%s, %s', (_loss, _optimizer, stage) => {
    const pair = openPair({ build: () => catalogueModel('cnn'), stage });
    expectSameBits(pair, { steps: 5, taught: stage.teacher !== undefined });
    pair.dispose();
  });

  const stage = STAGES.distillation!(OPTIMIZERS['sgd with momentum']!);
  test.each(MODEL_NAMES.filter((name) => !DEEP_MODELS.has(name)))('%s', (name) => {
    const pair = openPair({ build: () => catalogueModel(name), stage });
    expectSameBits(pair, { steps: 2, taught: true });
    pair.dispose();
  });

  test('layers that are not trained keep their weights; the statistics of a BatchNorm move', () => {
    const frozen = new Set(['stem.conv', 'stem.norm', 'stage2.block1.conv2']);
    const expected = ['stem.norm/gamma', 'stem.norm/beta', 'stem.conv/kernel', 'stage2.block1.conv2/kernel'];
    const build = () => {
      const model = catalogueModel('resnet8');
      for (const layer of leafLayers(model)) if (frozen.has(layer.name)) layer.trainable = false;
      return model;
    };
    const pair = openPair({ build, stage });
    const before = pair.traced.readParameters();
    const slots = pair.traced.slotCount;
    expect(slots).toBeLessThan(before.length);
    expectSameBits(pair, { steps: 3, taught: true });
    const after = pair.traced.readParameters();
    const moved = (from: number, size: number) => before.subarray(from, from + size).some((value, i) => value !== after[from + i]);
    const still = pair.traced.schema.entries.filter(({ offset, size }) => !moved(offset, size)).map(({ name }) => name);
    expect(still.toSorted()).toEqual(expected.toSorted());
    pair.dispose();
  });

  test('resnet8 with projected shortcuts', () => {
    const pair = openPair({ build: () => catalogueModel('resnet8', { shortcut: 'B' }), stage });
    expectSameBits(pair, { steps: 2, taught: true });
    pair.dispose();
  });
});
