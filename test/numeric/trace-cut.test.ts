/** A cut step as two graphs: two native calls, with anything between them. With oneDNN off, as in trace-exact.test.ts. */

import { beforeAll, expect, test } from 'vitest';
import { openEngine } from '../../src/engines/catalogue.js';
import type { StepBatch, StepProgram } from '../../src/step/step-program.js';
import { buildTracedStep } from '../../src/trace/traced-step.js';
import { expectMutualLearning } from '../support/mutual-reference.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { CLASSES, countNativeCalls, INPUT_SHAPE, OPTIMIZERS, openPair } from '../support/trace-parity.js';
import { distilStage, knobsOf, noiseBatch, normModel, trainingOf } from '../support/training.js';

// Read by libtensorflow when it is loaded, which is in this file's own process.
process.env.TF_ENABLE_ONEDNN_OPTS = '0';

const SHAPE = { inputShape: INPUT_SHAPE, classes: CLASSES } as const;
const SIZE = 8;
const SHORT = { rate: 0.05, temperature: 3, alpha: 0.6 };
const KNOBS = knobsOf(SHORT);
const batchAt = (t: number, taught: boolean): StepBatch => noiseBatch(t, { ...SHAPE, size: SIZE, taught });

describeTensorflow('a cut step, traced', () => {
  beforeAll(() => openEngine('tensorflow'));

  test('two programs that exchange their logits within each step are one program that has both models', () => {
    const stage = distilStage({ optimizer: OPTIMIZERS['sgd with momentum']! });
    const models = [1, 2].map((seed) => normModel(INPUT_SHAPE, CLASSES, seed));
    const traced: boolean[] = [];
    const programs = models.map((model) =>
      buildTracedStep({
        ...{ model, training: trainingOf(stage, CLASSES), inputShape: INPUT_SHAPE, precision: 'fp32' },
        onNotice: (notice) => traced.push(notice.traced),
      }),
    ) as [StepProgram, StepProgram];
    const batches = Array.from({ length: 6 }, (_, t) => batchAt(t, false));
    expectMutualLearning({ programs, options: { ...SHAPE, seeds: [1, 2], knobs: SHORT }, batches });
    expect(traced).toEqual([true, true]);
    const again = countNativeCalls(() => {
      const logits = programs.map((program) => program.forward(batches[0]!.images, SIZE));
      for (const [i, program] of programs.entries()) program.backward({ labels: batches[0]!.labels, other: logits[1 - i]! }, KNOBS);
    });
    // One forward and one backward of each: no second forward, and no operation by itself.
    expect(again.calls).toEqual({ runSavedModel: 4 });
    for (const made of [...programs, ...models]) made.dispose();
  });

  test('the images may be written over before the second half, which is the same to the bit', () => {
    const stage = distilStage({ optimizer: OPTIMIZERS['sgd with momentum']! });
    const { eager, traced, dispose } = openPair({ build: () => normModel(INPUT_SHAPE, CLASSES, 1), stage });
    // Whether an array's memory is used depends on where it lies: often enough, in so many.
    for (let t = 0; t < 20; t++) {
      const batch = batchAt(t, true);
      const buffer = batch.images.slice();
      const knowledge = traced.forward(buffer, SIZE);
      buffer.fill(7);
      expect(knowledge).toEqual(eager.forward(batch.images, SIZE));
      knowledge[0]!.data.fill(Number.NaN);
      expect(traced.backward(batch, KNOBS)).toEqual(eager.backward(batch, KNOBS));
    }
    expect(traced.readParameters()).toEqual(eager.readParameters());
    dispose();
  });

  test('a first half that is dropped is undone at once: what it put aside is gone, and the state is what it was', () => {
    const stage = distilStage({ optimizer: OPTIMIZERS['sgd with momentum']! });
    const { eager, traced, dispose } = openPair({ build: () => normModel(INPUT_SHAPE, CLASSES, 1), stage });
    const stateOf = (program: StepProgram) => [program.readParameters(), program.readSlots()];
    for (const program of [eager, traced]) {
      program.forward(batchAt(1, true).images, SIZE);
      program.backward(batchAt(1, true), KNOBS);
    }
    const before = [stateOf(eager), stateOf(traced)];
    for (const program of [eager, traced]) program.forward(batchAt(2, true).images, SIZE);
    expect(countNativeCalls(() => traced.abandon()).calls).toEqual({ runSavedModel: 1 });
    expect(countNativeCalls(() => traced.abandon()).calls).toEqual({});
    eager.abandon();
    expect([stateOf(eager), stateOf(traced)]).toEqual(before);
    for (const program of [eager, traced]) program.forward(batchAt(3, true).images, SIZE);
    expect(traced.backward(batchAt(3, true), KNOBS)).toEqual(eager.backward(batchAt(3, true), KNOBS));
    expect(stateOf(traced)).toEqual(stateOf(eager));
    dispose();
  });

  test('what does not fit is refused before anything is counted, and the half waits for better', () => {
    const pair = openPair({ build: () => normModel(INPUT_SHAPE, CLASSES, 1), stage: distilStage({ optimizer: OPTIMIZERS.adam! }) });
    const { labels, other, images } = batchAt(1, true);
    const fewer = { classes: labels.classes.subarray(1), mixed: null };
    for (const program of [pair.eager, pair.traced]) {
      expect(() => program.step({ labels, other, images: images.subarray(1), size: SIZE }, KNOBS)).toThrow();
      expect(() => program.step({ labels, other: [], images, size: SIZE }, KNOBS)).toThrow(
        '0 tensors of the other side, and the loss takes 1',
      );
      expect(() => program.backward({ labels, other }, KNOBS)).toThrow('first half of the step (forward)');
      program.forward(images, SIZE);
      expect(() => program.backward({ labels: fewer, other }, KNOBS)).toThrow('7 labels for a batch of 8');
      expect(() => program.backward({ labels, other: [] }, KNOBS)).toThrow('0 tensors of the other side, and the loss takes 1');
      expect(() => program.backward({ labels, other: [{ ...other[0]!, data: other[0]!.data.subarray(1) }] }, KNOBS)).toThrow(
        'with 39 elements',
      );
      program.backward({ labels, other }, KNOBS);
      expect(program.readSlots().at(-1)).toBe(1);
    }
    expect(pair.traced.readSlots()).toEqual(pair.eager.readSlots());
    expect(pair.traced.readParameters()).toEqual(pair.eager.readParameters());
    pair.dispose();
  });
});
