/** What cannot be traced runs eagerly, says why, once, and has lost nothing by the attempt. */

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { layers, sequential } from '@tensorflow/tfjs-layers';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { openEngine } from '../../src/engines/catalogue.js';
import { nativeBackend } from '../../src/trace/native-backend.js';
import { type LabelLoss, type LossBatch, stockLabelLoss, withLabelLoss } from '../support/other-loss.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { CLASSES, callAt, countNativeCalls, INPUT_SHAPE, OPTIMIZERS, openPair, openSessions, type Pair } from '../support/trace-parity.js';
import { normModel, trainStage } from '../support/training.js';

// Read by libtensorflow when it is loaded, which is in this file's own process.
process.env.TF_ENABLE_ONEDNN_OPTS = '0';

const SIZE = 4;
const stage = trainStage({ optimizer: OPTIMIZERS.adam! });
const callOf = (t: number) => callAt(t, { size: SIZE, taught: false });
const smallPair = (loss: LabelLoss = stockLabelLoss) =>
  openPair({ build: () => normModel(INPUT_SHAPE, CLASSES, 1), stage, training: withLabelLoss(stage, CLASSES, loss) });

/** Where sessions put their files while they are opened. */
const temporary = mkdtempSync(join(tmpdir(), 'trace-refusal-'));
process.env.TMPDIR = temporary;
afterAll(() => rmSync(temporary, { recursive: true }));

const undo: (() => void)[] = [];
afterEach(() => {
  for (const one of undo.splice(0).toReversed()) one();
});

interface CourseOptions {
  readonly reason: unknown;
  /** Called before each step of either program. */
  readonly onTurn?: (program: 'eager' | 'traced') => void;
}

/** Steps of the traced program, which runs eagerly, and of the eager one: the same bits throughout. */
function expectEagerCourse({ eager, traced, notices }: Pair, { reason, onTurn }: CourseOptions): void {
  for (let t = 0; t < 4; t++) {
    const [batch, knobs] = callOf(t);
    onTurn?.('eager');
    const expected = eager.step(batch, knobs);
    onTurn?.('traced');
    const { result, calls } = countNativeCalls(() => traced.step(batch, knobs));
    expect(result).toEqual(expected);
    if (t > 0) expect(calls.runSavedModel).toBeUndefined();
  }
  expect(traced.readSlots()).toEqual(eager.readSlots());
  expect(traced.readParameters()).toEqual(eager.readParameters());
  expect(notices).toEqual([{ call: 'step', size: SIZE, traced: false, precision: 'fp32', reason }]);
  expect(openSessions()).toBe(0);
  expect(readdirSync(temporary)).toEqual([]);
}

function scaled(batch: LossBatch, factor: (sum: tf.Scalar) => tf.Tensor | number) {
  const loss = stockLabelLoss(batch);
  return { ...loss, sum: tf.mul(loss.sum, factor(loss.sum)) as tf.Scalar };
}

describeTensorflow('refused, and none the worse for it', () => {
  beforeAll(() => openEngine('tensorflow'));

  const READ_BACK = 'the step reads a value back into JavaScript (dataSync, arraySync or data)';
  const losses: readonly [string, unknown, (batch: LossBatch) => ReturnType<LabelLoss>][] = [
    ['a loss that reads back', READ_BACK, (batch) => scaled(batch, (sum) => 1 / (1 + (sum.dataSync()[0] as number)))],
    [
      'a loss that reads back and hides it',
      READ_BACK,
      (batch) =>
        scaled(batch, (sum) => {
          void sum.data().then(() => {});
          return 2;
        }),
    ],
    [
      'a loss that makes strings',
      'the step makes a tensor of strings',
      (batch) => {
        tf.concat([tf.tensor1d(['a']), tf.tensor1d(['b'])]);
        return stockLabelLoss(batch);
      },
    ],
    [
      'an operation that the graph lacks a type for',
      expect.stringMatching(/^TensorFlow does not run the graph: .*ExpandDims/s),
      (batch) =>
        scaled(batch, () =>
          tf.mean(tf.cast(nativeBackend().executeSingleOutput('ExpandDims', [], [batch.labels_B, tf.scalar(0, 'int32')]), 'float32')),
        ),
    ],
    [
      'a loss that is no number',
      "the eager step's loss is not finite: a replay cannot be compared with it (form whole, precision fp32)",
      (batch) => scaled(batch, () => Number.NaN),
    ],
    [
      'a draw in TensorFlow',
      'the step draws random numbers (RandomUniform)',
      (batch) => {
        nativeBackend().executeSingleOutput('RandomUniform', [{ name: 'dtype', type: 4, value: 1 }], [tf.tensor1d([2], 'int32')]);
        return stockLabelLoss(batch);
      },
    ],
  ];

  test.each(losses)('%s', (_, reason, loss) => {
    const pair = smallPair(loss);
    undo.push(pair.dispose);
    expectEagerCourse(pair, { reason });
  });

  test('a loss that keeps a variable of its own, and changes it', () => {
    const averageOf = (name: string) => tf.tidy(() => tf.variable(tf.scalar(0.5), false, name));
    const averages = { eager: averageOf('average-eager'), traced: averageOf('average-traced') };
    let turn: keyof typeof averages = 'eager';
    const loss = (batch: LossBatch) =>
      scaled(batch, (sum) => {
        averages[turn].assign(tf.add(tf.mul(averages[turn], 0.9), tf.mul(sum, 0.01)));
        return tf.clone(averages[turn]);
      });
    undo.push(() => tf.dispose(Object.values(averages)));
    const pair = smallPair(loss);
    undo.push(pair.dispose);
    const onTurn = (program: keyof typeof averages) => {
      turn = program;
    };
    const reason = 'the step reads average-traced, which is neither a weight of the model nor a slot of the optimiser';
    expectEagerCourse(pair, { reason, onTurn });
    expect(averages.traced.dataSync()).toEqual(averages.eager.dataSync());
  });

  test('a loss that makes a variable when it is first needed', () => {
    let scale: tf.Variable | undefined;
    const loss = (batch: LossBatch) => {
      scale ??= tf.variable(tf.scalar(2), false, 'scale');
      const own = scale;
      return scaled(batch, () => tf.clone(own));
    };
    undo.push(() => scale?.dispose());
    const pair = smallPair(loss);
    undo.push(pair.dispose);
    const [batch, knobs] = callOf(0);
    pair.traced.step(batch, knobs);
    expect(pair.notices).toMatchObject([{ traced: false, reason: 'the step makes a variable, scale' }]);
    pair.eager.step(batch, knobs);
    expect(pair.traced.readParameters()).toEqual(pair.eager.readParameters());
  });

  test.each([
    [
      'takes another way',
      'the step runs Neg one time and Square another: it depends on the values of its inputs',
      (n: number, x: tf.Tensor) => (n % 2 === 0 ? tf.neg(x) : tf.square(x)),
    ],
    [
      'does more',
      /^the step runs \d+ operations one time and \d+ another/,
      (n: number, x: tf.Tensor) => (n % 2 === 0 ? tf.neg(x) : tf.neg(tf.square(x))),
    ],
    [
      'takes another number',
      /^a tensor of shape \[\], which goes into Mul, is made in JavaScript with other values each time/,
      (n: number, x: tf.Tensor) => tf.mul(x, n),
    ],
  ] as const)('a loss that %s from one step to the next', (_, reason, vary) => {
    let n = 0;
    const loss = (batch: LossBatch) => {
      vary(++n, tf.cast(batch.labels_B, 'float32'));
      return stockLabelLoss(batch);
    };
    const pair = smallPair(loss);
    undo.push(pair.dispose);
    expectEagerCourse(pair, { reason: typeof reason === 'string' ? reason : expect.stringMatching(reason) });
  });

  test('a model with dropout: it trains, op by op', () => {
    const build = () =>
      sequential({
        layers: [
          layers.flatten({ inputShape: [...INPUT_SHAPE] }),
          layers.dense({ units: 32, activation: 'relu' }),
          layers.dropout({ rate: 0.2 }),
          layers.dense({ units: CLASSES }),
        ],
      });
    const { traced, notices, dispose } = openPair({ build, stage });
    undo.push(dispose);
    const [batch, knobs] = callOf(0);
    const losses = Array.from({ length: 40 }, () => traced.step(batch, { ...knobs, rate: 1e-3 }).lossSum);
    expect(losses.at(-1)).toBeLessThan(0.2 * (losses[0] as number));
    expect(traced.readSlots().at(-1)).toBe(40);
    expect(notices).toEqual([
      {
        call: 'step',
        size: SIZE,
        traced: false,
        precision: 'fp32',
        reason: 'the step draws random numbers in JavaScript (Math.random), as Dropout and noise layers do',
      },
    ]);
    // In inference mode nothing is drawn.
    expect(traced.predict(batch.images, SIZE)).toEqual(traced.predict(batch.images, SIZE));
  });

  test.each([
    [
      'in its loss',
      'a defect of the loss',
      () => {
        throw new Error('a defect of the loss');
      },
    ],
    [
      'on the way back',
      'gradient function not found for TopK',
      (batch: LossBatch) => scaled(batch, () => tf.sum(tf.topk(batch.logits_BK, 2).values)),
    ],
  ] as const)('a step that fails %s fails as it does eagerly, and again at the next call', (_, message, loss) => {
    const { traced, notices, dispose } = smallPair(loss);
    undo.push(dispose);
    const [batch, knobs] = callOf(0);
    for (let i = 0; i < 2; i++) expect(() => traced.step(batch, knobs)).toThrow(message);
    expect(notices).toMatchObject([{ traced: false, reason: expect.stringMatching(`^the step fails while it is recorded: .*${message}`) }]);
  });

  test('a graph that fails in the course of things says what TensorFlow says, holds nothing, and goes on', () => {
    const loss = (batch: LossBatch) => scaled(batch, () => tf.mean(tf.gather(tf.tensor1d([1, 2, 3, 4, 5]), batch.labels_B)));
    const { eager, traced, notices, dispose } = smallPair(loss);
    undo.push(dispose);
    const [batch, knobs] = callOf(0);
    for (const program of [eager, traced]) {
      program.step(batch, knobs);
      expect(() => program.step({ ...batch, labels: { classes: new Int32Array(SIZE).fill(7), mixed: null } }, knobs)).toThrow(
        'indices[0] = 7 is not in [0, 5)',
      );
      expect(program.step(batch, knobs).finite).toBe(true);
      expect(program.readSlots().at(-1)).toBe(3);
    }
    expect(notices).toMatchObject([{ traced: true }]);
  });
});
