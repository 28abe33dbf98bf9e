/**
 * Where the state is, in the model, in one session or in another, does not show: whatever is asked in whatever order, the
 * traced program answers as the eager one. With oneDNN off and the same number of rows in a batch it does so to the bit.
 */

import { beforeAll, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import type { PeerRecipe } from '../../src/config/schema.js';
import { openEngine } from '../../src/engines/catalogue.js';
import type { EvaluateResult, StepProgram } from '../../src/step/step-program.js';
import { padBatch } from '../../src/trace/pad-batch.js';
import { relativeError } from '../../src/trace/proof.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { CLASSES, callAt, catalogueModel, INPUT_SHAPE, OPTIMIZERS, openPair, openSessions, type Pair } from '../support/trace-parity.js';
import { distilStage, normModel, trainStage } from '../support/training.js';

// Read by libtensorflow when it is loaded, which is in this file's own process.
process.env.TF_ENABLE_ONEDNN_OPTS = '0';

type Action = (program: StepProgram, batchOf: (size: number) => ReturnType<typeof callAt>) => unknown;

const halves =
  (size: number): Action =>
  (program, batchOf) => {
    const [batch, knobs] = batchOf(size);
    const logits = program.forward(batch.images, size);
    return [logits, program.backward(batch, knobs)];
  };
const whole =
  (size: number): Action =>
  (program, batchOf) =>
    program.step(...batchOf(size));

/** Steps, and changes of the state between them. Both programs run these on the same rows, so their answers have the same bits. */
const EXACT_ACTIONS: Readonly<Record<string, Action>> = {
  'step of 8': whole(8),
  'step of 5': whole(5),
  'cut step of 8': halves(8),
  'cut step of 5': halves(5),
  'cut step with work between': (program, batchOf) => {
    const [batch, knobs] = batchOf(8);
    const logits = program.forward(batch.images, 8);
    // The session that holds the half is of 8 rows.
    const between = [program.predict(batch.images, 8), program.readParameters(), program.readSlots()];
    return [logits, between, program.backward(batch, knobs)];
  },
  'a half that is abandoned': (program, batchOf) => {
    const logits = program.forward(batchOf(8)[0].images, 8);
    program.abandon();
    return logits;
  },
  'a half that a step drops': (program, batchOf) => [program.forward(batchOf(8)[0].images, 8), program.step(...batchOf(8))],
  'a half that new parameters drop': (program, batchOf) => {
    program.forward(batchOf(5)[0].images, 5);
    program.writeParameters(program.readParameters().map((value) => 0.9 * value));
    expect(() => program.backward(batchOf(5)[0], batchOf(5)[1])).toThrow('first half of the step (forward)');
  },
  'new parameters': (program) => program.writeParameters(program.readParameters().map((value) => 1.01 * value)),
  'new slots': (program) => {
    const slots = program.readSlots();
    // A step count, where there is one, is the last.
    program.writeSlots(slots.map((value, i) => (i === slots.length - 1 ? value + 3 : 0.5 * value)));
  },
  'no slots': (program) => program.resetSlots(),
};

/**
 * A session answers these in batches of its own size, the last one padded, and the eager program answers them in one batch. A
 * library may split the products of 5 rows and of 8 in different ways (it does with AVX2), so the answers agree up to rounding.
 */
const ROUNDED_ACTIONS: Readonly<Record<string, (...input: Parameters<Action>) => Float32Array>> = {
  'predict 8': (program, batchOf) => program.predict(batchOf(8)[0].images, 8),
  'predict 13': (program, batchOf) => program.predict(batchOf(13)[0].images, 13),
  'evaluate 3': (program, batchOf) => numbersOf(program.evaluate(batchOf(3)[0].images, batchOf(3)[0].labels.classes, 3)),
};

const numbersOf = ({ lossSum, correct, count }: EvaluateResult) => Float32Array.of(lossSum, correct, count);
/** Most of the norm of a difference between answers, divided by the norm of the answers: about a hundred roundings of float32. */
const ROUNDING = 1e-5;

/** Runs the actions on both programs and compares what they answer and what they leave. */
function compare({ eager, traced }: Pair, names: readonly string[], taught: boolean): void {
  names.forEach((name, t) => {
    const batchOf = (size: number) => callAt(t, { size, taught });
    const where = names.slice(Math.max(0, t - 4), t + 1).join(', ');
    const rounded = ROUNDED_ACTIONS[name];
    if (rounded === undefined) {
      const exact = EXACT_ACTIONS[name] as Action;
      const expected = exact(eager, batchOf);
      expect(exact(traced, batchOf), where).toEqual(expected);
    } else expect(relativeError(rounded(eager, batchOf), rounded(traced, batchOf)), where).toBeLessThan(ROUNDING);
    expect(traced.readSlots(), where).toEqual(eager.readSlots());
    expect(traced.readParameters(), where).toEqual(eager.readParameters());
  });
}

describeTensorflow('the state moves unseen', () => {
  beforeAll(() => openEngine('tensorflow'));

  const stages: readonly [string, PeerRecipe][] = [
    ['sgd without momentum', trainStage({ optimizer: OPTIMIZERS['sgd without momentum']! })],
    ['sgd with momentum, distilling', distilStage({ optimizer: OPTIMIZERS['sgd with momentum']! })],
    ['adam, distilling', distilStage({ optimizer: OPTIMIZERS.adam! })],
  ];
  test.each(stages)('%s', (_, stage) => {
    const pair = openPair({ build: () => normModel(INPUT_SHAPE, CLASSES, 1), stage });
    const taught = stage.teacher !== undefined;
    // Each size and form is traced when it comes up for the third time, in the middle of other work.
    const fixed = [
      ...[8, 8, 8, 5, 5, 5, 5, 8].map((size) => `step of ${size}`),
      'cut step of 8',
      'cut step of 5',
      'cut step of 5',
      'cut step of 5',
    ];
    compare(pair, fixed, taught);
    const random = new Prng(7, 3);
    const names = [...Object.keys(EXACT_ACTIONS), ...Object.keys(ROUNDED_ACTIONS)];
    compare(
      pair,
      Array.from({ length: 40 }, () => names[random.below(names.length)] as string),
      taught,
    );
    expect(pair.notices.map(({ call, size, traced }) => [call, size, traced])).toEqual([
      ['step', 8, true],
      ['step', 5, true],
      ['cut step', 8, true],
      ['cut step', 5, true],
    ]);
    expect(openSessions()).toBe(4);
    pair.dispose();
    expect(openSessions()).toBe(0);
  });

  test('a request of other rows than the session has is answered as batches of its rows, the last one padded with zeros', () => {
    const pair = openPair({ build: () => normModel(INPUT_SHAPE, CLASSES, 1), stage: trainStage() });
    compare(pair, ['step of 8'], false);
    const [{ images }] = callAt(1, { size: 13, taught: false });
    const split = 8 * (images.length / 13);
    const parts = [images.subarray(0, split), padBatch(images.subarray(split), 5, 8)];
    const [first, second] = parts.map((part) => pair.eager.predict(part.slice(), 8)) as [Float32Array, Float32Array];
    expect([...pair.traced.predict(images, 13)]).toEqual([...first, ...second.subarray(0, 5 * CLASSES)]);
    pair.dispose();
  });

  test('a course that bursts bursts at the same step', () => {
    const pair = openPair({
      build: () => catalogueModel('cnn-student'),
      stage: trainStage({ optimizer: OPTIMIZERS['sgd with momentum']! }),
    });
    const finite = Array.from({ length: 6 }, (_, t) => {
      const [batch, knobs] = callAt(t, { size: 8, taught: false });
      const rates = { ...knobs, rate: t < 2 ? knobs.rate : 1e25 };
      const expected = pair.eager.step(batch, rates);
      expect(pair.traced.step(batch, rates)).toEqual(expected);
      return expected.finite;
    });
    expect([finite[0], finite.at(-1)]).toEqual([true, false]);
    expect(pair.traced.readParameters()).toEqual(pair.eager.readParameters());
    pair.dispose();
  });

  test('a program that is disposed leaves the model as eager steps would', () => {
    const stage = trainStage({ optimizer: OPTIMIZERS.adam! });
    const models = [1, 1].map((seed) => normModel(INPUT_SHAPE, CLASSES, seed));
    const [mine, other] = models as [(typeof models)[0], (typeof models)[0]];
    const pair = openPair({ build: () => models.shift() as typeof mine, stage });
    compare(pair, ['step of 8', 'step of 8'], false);
    const weights = [mine, other].map((model) => model.getWeights().map((weight) => weight.dataSync().slice()));
    expect(weights[1]).not.toEqual(weights[0]);
    pair.traced.dispose();
    expect(other.getWeights().map((weight) => weight.dataSync().slice())).toEqual(weights[0]);
    pair.eager.dispose();
    for (const model of [mine, other]) model.dispose();
  });
});
