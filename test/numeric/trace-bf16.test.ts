/**
 * Steps in bf16 beside the same in fp32: near enough to train by, cut as whole, and what is kept from step to step in fp32.
 * Where the processor has bfloat16 but not AMX they are slow, not different.
 */

import { beforeAll, expect, test } from 'vitest';
import { openEngine } from '../../src/engines/catalogue.js';
import { disposeModel } from '../../src/nn/weights.js';
import { buildEagerStep } from '../../src/step/eager-step.js';
import type { StepProgram } from '../../src/step/step-program.js';
import { bfloat16Support } from '../../src/system/bfloat16-support.js';
import { describeProcessor } from '../../src/system/processor.js';
import type { TraceNotice } from '../../src/trace/trace-notice.js';
import { buildTracedStep } from '../../src/trace/traced-step.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { CLASSES, callAt, catalogueModel, expectOneCall, INPUT_SHAPE, OPTIMIZERS, STAGES } from '../support/trace-parity.js';
import { trainingOf } from '../support/training.js';

// Read by libtensorflow when it is loaded, which is in this file's own process.
Object.assign(process.env, bfloat16Support(describeProcessor()).environment);

const SIZE = 16;
const BF16 = { traced: true, precision: 'bf16' } as const;
const stage = STAGES.distillation!(OPTIMIZERS['sgd with momentum']!);
const call = (t: number) => callAt(t, { size: SIZE, taught: true });

/** Programs of one model each, which are the same; they are disposed when `use` returns. */
function withPrograms(training: boolean, use: (programs: { fp32: StepProgram; bf16: StepProgram; notices: TraceNotice[] }) => void): void {
  const models = [catalogueModel('resnet8'), catalogueModel('resnet8')] as const;
  const notices: TraceNotice[] = [];
  const options = { training: training ? trainingOf(stage, CLASSES) : null, inputShape: INPUT_SHAPE };
  const fp32 = buildEagerStep({ ...options, model: models[0] });
  const bf16 = buildTracedStep({ ...options, model: models[1], precision: 'bf16', onNotice: (notice) => notices.push(notice) });
  use({ fp32, bf16, notices });
  fp32.dispose();
  bf16.dispose();
  models.forEach(disposeModel);
}

/** How far two ends are apart, of the way to the first. */
const detour = (start: Float32Array, end: Float32Array, other: Float32Array) =>
  normOf(end.map((value, i) => other[i]! - value)) / normOf(end.map((value, i) => value - start[i]!));
const normOf = (values: Float32Array) => Math.hypot(...values);

describeTensorflow('in bf16', () => {
  beforeAll(() => openEngine('tensorflow'));

  test('twenty steps: one call each, losses within 1 % of those in fp32, and they lead to nearly the same place', () => {
    withPrograms(true, ({ fp32, bf16, notices }) => {
      let differing = 0;
      const start = fp32.readParameters();
      for (let t = 0; t < 20; t++) {
        const expected = fp32.step(...call(t));
        const found = t === 0 ? bf16.step(...call(t)) : expectOneCall(bf16, call(t));
        expect(Math.abs(found.lossSum / expected.lossSum - 1), `loss of step ${t + 1}`).toBeLessThan(1e-2);
        if (found.lossSum !== expected.lossSum) differing += 1;
      }
      // Else it ran in fp32.
      expect(differing).toBeGreaterThan(10);
      expect(notices).toEqual([{ call: 'step', size: SIZE, ...BF16 }]);
      expect(detour(start, fp32.readParameters(), bf16.readParameters())).toBeLessThan(0.1);
    });
  });

  test('parameters are kept in fp32: an update too small for bfloat16 is not lost', () => {
    withPrograms(true, ({ bf16 }) => {
      const [batch, knobs] = call(0);
      for (let t = 0; t < 2; t++) bf16.step(batch, knobs);
      const before = bf16.readParameters();
      for (let t = 0; t < 3; t++) bf16.step(batch, { ...knobs, rate: 1e-6 });
      const after = bf16.readParameters();
      const steps = before.map((value, i) => Math.abs(after[i]! - value) / Math.abs(value)).filter((step) => step > 0);
      expect(steps.length).toBeGreaterThan(before.length / 2);
      // Bfloat16 has 8 bits: the next number is 1/256 to 1/128 away.
      expect(steps.filter((step) => step < 1 / 512).length).toBeGreaterThan(steps.length / 2);
    });
  });

  test('a step that is cut is the whole step', () => {
    withPrograms(true, ({ bf16: whole, fp32 }) => {
      withPrograms(true, ({ bf16: cut, notices }) => {
        let differing = 0;
        const start = whole.readParameters();
        for (let t = 0; t < 6; t++) {
          const [batch, knobs] = call(t);
          const expected = whole.step(batch, knobs);
          cut.forward(batch.images, SIZE);
          const found = cut.backward(batch, knobs);
          expect(Math.abs(found.lossSum / expected.lossSum - 1), `loss of step ${t + 1}`).toBeLessThan(1e-4);
          if (found.lossSum !== fp32.step(batch, knobs).lossSum) differing += 1;
        }
        expect(differing).toBeGreaterThan(3);
        expect(notices).toEqual([{ call: 'cut step', size: SIZE, ...BF16 }]);
        expect(detour(start, whole.readParameters(), cut.readParameters())).toBeLessThan(1e-2);
      });
    });
  });

  test('a teacher answers within 2 % of its logits in fp32', () => {
    withPrograms(false, ({ fp32, bf16, notices }) => {
      for (let t = 0; t < 3; t++) {
        const [{ images }] = call(t);
        const expected = fp32.predict(images, SIZE);
        const found = bf16.predict(images, SIZE);
        expect(found.length).toBe(SIZE * CLASSES);
        expect(normOf(found.map((logit, i) => logit - expected[i]!)) / normOf(expected)).toBeLessThan(2e-2);
        expect(found).not.toEqual(expected);
      }
      expect(notices).toEqual([{ call: 'predict', size: SIZE, ...BF16 }]);
    });
  });
});
