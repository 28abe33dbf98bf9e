/** Every loss of the package, on the engine tensorflow: the step that is replayed as a graph is the eager one. */

import { beforeAll, expect, test } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import type { TermRecipe } from '../../../src/config/schema.js';
import { openEngine } from '../../../src/engines/catalogue.js';
import { LOSSES } from '../../../src/losses/catalogue.js';
import type { LossDeclaration } from '../../../src/losses/loss-declaration.js';
import { LABELS_KEY, lossKnobsAt } from '../../../src/losses/loss-plan.js';
import { completeTerm } from '../../../src/losses/term-check.js';
import { shapeSourceOf } from '../../../src/nn/knowledge-model.js';
import { disposeModel } from '../../../src/nn/weights.js';
import { batchSamples } from '../../../src/step/batch-samples.js';
import { joinTraining } from '../../../src/step/load-training.js';
import type { StepBatch } from '../../../src/step/step-program.js';
import type { StepTraining } from '../../../src/step/trainer.js';
import { viewShape } from '../../../src/tensor/knowledge.js';
import { sizeOf } from '../../../src/tensor/tensor.js';
import { describeTensorflow } from '../../support/tensorflow-engine.js';
import { CLASSES, callAt, catalogueModel, expectOneCall, openPair, RATE, worstTensorError } from '../../support/trace-parity.js';
import { distilStage } from '../../support/training.js';

// Read by libtensorflow when it is loaded, which is in this file's own process.
process.env.TF_ENABLE_ONEDNN_OPTS = '0';

const SIZE = 8;
/** The samples of the split, of which a loss may keep a memory. */
const SAMPLES = 20;
/** Layers of the student and of the teacher, on images of 16x16, with as many channels: maps of one size, and maps whose sizes do not divide. */
const TAPS = [['conv1', 'pool1'] as const, ['conv2', 'image-like'] as const];

/** The flow from the first to the second layer of either side. */
const FLOWS = [[['conv1', 'conv2'] as const, ['pool1', 'image-like'] as const] as const];

function layersFor({ takesTaps, takesFlows = false }: LossDeclaration): Pick<TermRecipe, 'taps' | 'flows'> {
  if (takesFlows) return { flows: FLOWS };
  return takesTaps ? { taps: TAPS } : {};
}

async function trainingWith(name: string): Promise<StepTraining> {
  const { declaration } = LOSSES[name]!;
  const few = declaration.constants.negatives === undefined ? {} : { negatives: 6 };
  const term = completeTerm({ loss: name, ...layersFor(declaration), ...few }, declaration);
  const model = catalogueModel('cnn-student');
  const student = shapeSourceOf(model);
  disposeModel(model);
  const other = { classes: CLASSES, layer: (layer: string) => (layer === 'pool1' ? [8, 8, 4] : [7, 3, 8]), image: student.image };
  const stage = distilStage({ loss: { labels: { weight: 1, smoothing: 0.1 }, terms: [term] } });
  return joinTraining(stage, { student, teacher: other, seed: 1, samples: SAMPLES });
}

function batchAt(t: number, training: StepTraining): StepBatch {
  const { otherShapes } = training;
  const random = new Prng(t, 5);
  const [batch] = callAt(t, { size: SIZE, taught: false });
  const other = otherShapes.map((row) => {
    const shape = viewShape(row, SIZE);
    return { shape, data: Float32Array.from({ length: sizeOf(shape) }, () => 3 * random.normal()) };
  });
  const ids = Int32Array.from({ length: SIZE }, (_, i) => (3 * i + 5 * t) % SAMPLES);
  return { ...batch, other, ...batchSamples(training, { seed: 1, epoch: t }, ids) };
}

describeTensorflow('tensorflow', () => {
  beforeAll(async () => {
    await openEngine('tensorflow');
  });

  test.each(Object.keys(LOSSES))('%s', async (name) => {
    const training = await trainingWith(name);
    const { eager, traced, notices, dispose } = openPair({ build: () => catalogueModel('cnn-student'), stage: training.stage, training });
    const keys = [LABELS_KEY, name];
    const values = keys.map(() => 0);
    for (let t = 0; t < 5; t++) {
      const batch = batchAt(t, training);
      // Knobs and weights are fed anew at each step: those of a schedule change.
      const knobs = { rate: RATE, loss: lossKnobsAt(training.loss.plan, { epoch: 4 * t, epochs: 40 }) };
      const expected = eager.step(batch, knobs);
      const found = t === 0 ? traced.step(batch, knobs) : expectOneCall(traced, [batch, knobs]);
      expect(found.lossSum / expected.lossSum, `loss of step ${t + 1}`).toBeCloseTo(1, 5);
      expect([Object.keys(found.terms), Object.keys(expected.terms)]).toEqual([keys, keys]);
      keys.forEach((key, i) => {
        const value = expected.terms[key]!;
        expect(Math.abs(found.terms[key]! - value), key).toBeLessThanOrEqual(1e-4 * Math.abs(value));
        values[i]! += value;
      });
    }
    // A term may have nothing to say of a batch, but not of all.
    expect(values.filter((value) => value > 0)).toHaveLength(keys.length);
    expect(notices).toEqual([{ call: 'step', size: SIZE, traced: true, precision: 'fp32' }]);
    // A weight of 30,000 multiplies the rounding, too.
    expect(worstTensorError(eager, eager.readParameters(), traced.readParameters())).toBeLessThan(1e-4);
    dispose();
  });
});
