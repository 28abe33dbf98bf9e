/** The traced program beside the eager one: the same model, batches and knobs, step by step. */

import type { LayersModel } from '@tensorflow/tfjs-layers';
import { expect } from 'vitest';
import type { OptimizerRecipe, PeerRecipe } from '../../src/config/schema.js';
import { MODELS } from '../../src/nn/catalogue.js';
import { MODEL_NAMES, type ModelName } from '../../src/nn/names.js';
import { disposeModel } from '../../src/nn/weights.js';
import { buildEagerStep } from '../../src/step/eager-step.js';
import type { StepBatch, StepKnobs, StepProgram, StepResult } from '../../src/step/step-program.js';
import type { StepTraining } from '../../src/step/trainer.js';
import { type NativeBinding, nativeBackend } from '../../src/trace/native-backend.js';
import type { TraceNotice } from '../../src/trace/trace-notice.js';
import { buildTracedStep } from '../../src/trace/traced-step.js';
import { expectSameFloats } from './same-floats.js';
import { distilStage, knobsOf, noiseBatch, trainingOf, trainStage } from './training.js';

export const RATE = 0.01;

const SGD = { name: 'sgd', rate: RATE, momentum: 0.9, nesterov: false, weightDecay: 0, decayAll: false } as const;
const ADAM = { name: 'adam', rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, decayAll: false } as const;

/** Each optimiser of the recipe with each of its options. */
export const OPTIMIZERS: Readonly<Record<string, OptimizerRecipe>> = {
  'sgd without momentum': { ...SGD, momentum: 0 },
  'sgd with momentum': SGD,
  "sgd with Nesterov's momentum and weight decay": { ...SGD, nesterov: true, weightDecay: 1e-3 },
  adam: ADAM,
  'adam with weight decay on all': { ...ADAM, weightDecay: 1e-3, decayAll: true },
};

/** Each loss of a stage. */
export const STAGES: Readonly<Record<string, (optimizer: OptimizerRecipe) => PeerRecipe>> = {
  'cross-entropy': (optimizer) => trainStage({ optimizer }),
  'label smoothing': (optimizer) => trainStage({ optimizer, loss: { labelSmoothing: 0.1 } }),
  distillation: (optimizer) => distilStage({ optimizer }),
  'distillation with label smoothing': (optimizer) => distilStage({ optimizer, loss: { temperature: 4, alpha: 0.9, labelSmoothing: 0.1 } }),
};

export { MODEL_NAMES };

const QUICK_MODELS: ReadonlySet<ModelName> = new Set(['cnn', 'cnn-teacher', 'cnn-student', 'resnet8', 'resnet14']);

/** Those that take long to record. */
export const DEEP_MODELS: ReadonlySet<ModelName> = new Set(MODEL_NAMES.filter((name) => !QUICK_MODELS.has(name)));

export const CLASSES = 5;
export const INPUT_SHAPE = [16, 16, 3] as const;

/** A model of the catalogue; the same for the same name and options. */
export function catalogueModel(name: ModelName, options: Record<string, string> = {}): LayersModel {
  const family = MODELS[name];
  return family.build({ inputShape: INPUT_SHAPE, classes: CLASSES, seed: 3, options }, family.options.parse(options));
}

export interface Pair {
  readonly eager: StepProgram;
  readonly traced: StepProgram;
  readonly notices: TraceNotice[];
  dispose(): void;
}

export interface PairOptions {
  readonly build: () => LayersModel;
  readonly stage: PeerRecipe;
  readonly inputShape?: readonly [number, number, number];
  /** In the place of the stage's own loss. */
  readonly training?: StepTraining;
}

/** Two programs, each on a model of its own. */
export function openPair({ build, stage, inputShape = INPUT_SHAPE, training = trainingOf(stage, CLASSES) }: PairOptions): Pair {
  const models = [build(), build()] as const;
  const notices: TraceNotice[] = [];
  const eager = buildEagerStep({ model: models[0], training, inputShape });
  const onNotice = (notice: TraceNotice) => notices.push(notice);
  const traced = buildTracedStep({ model: models[1], training, inputShape, precision: 'fp32', onNotice });
  return {
    eager,
    traced,
    notices,
    dispose() {
      eager.dispose();
      traced.dispose();
      for (const model of models) disposeModel(model);
    },
  };
}

interface CallOptions {
  readonly size: number;
  readonly taught: boolean;
  readonly rate?: number;
}

/** The batch and the knobs of a step, which change from step to step. */
export function callAt(t: number, { size, taught, rate = RATE }: CallOptions): [StepBatch, StepKnobs] {
  const batch = noiseBatch(t, { size, inputShape: INPUT_SHAPE, classes: CLASSES, taught });
  return [batch, knobsOf({ rate: rate * (1 - t / 40), temperature: 4 - t / 20, alpha: taught ? 0.9 - t / 100 : 0 })];
}

/** The calls of the binding while `run` runs, by name. */
export function countNativeCalls<Result>(run: () => Result): { readonly result: Result; readonly calls: Readonly<Record<string, number>> } {
  const backend = nativeBackend();
  const real = backend.binding;
  const calls: Record<string, number> = {};
  const counting = (name: 'executeOp' | 'runSavedModel') => {
    const method = real[name].bind(real) as (...input: unknown[]) => unknown;
    const value = (...input: unknown[]) => {
      calls[name] = (calls[name] ?? 0) + 1;
      return method(...input);
    };
    return { value };
  };
  backend.binding = Object.create(real, {
    executeOp: counting('executeOp'),
    runSavedModel: counting('runSavedModel'),
  }) as NativeBinding;
  try {
    return { result: run(), calls };
  } finally {
    backend.binding = real;
  }
}

/** The sessions of libtensorflow that are open, all programs' together. */
export function openSessions(): number {
  return (nativeBackend().binding as unknown as { getNumOfSavedModels(): number }).getNumOfSavedModels();
}

/** A step that is one native call; the first of a size also records and proves. */
export function expectOneCall(program: StepProgram, [batch, knobs]: [StepBatch, StepKnobs]): StepResult {
  const { result, calls } = countNativeCalls(() => program.step(batch, knobs));
  expect(calls).toEqual({ runSavedModel: 1 });
  return result;
}

/** Norm of the difference by the norm, the greatest over the tensors of the schema; a tensor near 0 by that of the arena. */
export function worstTensorError({ schema }: StepProgram, expected: Float32Array, found: Float32Array): number {
  const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
  const least = (1e-3 * norm(expected)) / Math.sqrt(expected.length);
  const errors = schema.entries.map(({ offset, size }) => {
    const a = expected.subarray(offset, offset + size);
    const b = found.subarray(offset, offset + size);
    return norm(a.map((x, i) => x - b[i]!)) / Math.max(norm(a), least * Math.sqrt(size));
  });
  return Math.max(...errors);
}

const SIZE = 4;

/** Steps of both, on the same rows, which must agree to the bit, in results, parameters and slots; then evaluation of as many rows. */
export function expectSameBits(
  { eager, traced, notices }: Pair,
  { steps, taught }: { readonly steps: number; readonly taught: boolean },
): void {
  for (let t = 0; t < steps; t++) {
    const [batch, knobs] = callAt(t, { size: SIZE, taught });
    const expected = eager.step(batch, knobs);
    expect(t === 0 ? traced.step(batch, knobs) : expectOneCall(traced, [batch, knobs])).toEqual(expected);
  }
  expect(notices).toEqual([{ call: 'step', size: SIZE, traced: true, precision: 'fp32' }]);
  expectSameFloats(traced.readParameters(), eager.readParameters(), 'the parameters');
  expectSameFloats(traced.readSlots(), eager.readSlots(), "the optimiser's slots");
  const [{ images, labels }] = callAt(99, { size: SIZE, taught: false });
  expect(traced.evaluate(images, labels.classes, SIZE)).toEqual(eager.evaluate(images, labels.classes, SIZE));
}

export interface CloseOptions {
  readonly name: ModelName;
  readonly stage: PeerRecipe;
  /** BatchNorm's shifts start at 1, and the rate is a hundredth. For models whose eager steps alone make a change of 1e-7 large. */
  readonly isSmooth?: boolean;
}

/** Twenty steps of both: losses within 1e-4, and at the end each tensor of the parameters within 1e-3, both relative. */
export function expectSameCourse({ name, stage, isSmooth = false }: CloseOptions): void {
  const { eager, traced, notices, dispose } = openPair({ build: () => catalogueModel(name), stage });
  const rate = isSmooth ? RATE / 100 : RATE;
  if (isSmooth) for (const program of [eager, traced]) shiftNorms(program);
  for (let t = 0; t < 20; t++) {
    const [batch, knobs] = callAt(t, { size: SIZE, taught: stage.teacher !== undefined, rate });
    const expected = eager.step(batch, knobs);
    const found = t === 0 ? traced.step(batch, knobs) : expectOneCall(traced, [batch, knobs]);
    expect(Math.abs(found.lossSum / expected.lossSum - 1), `loss of step ${t + 1}`).toBeLessThan(1e-4);
  }
  expect(notices.map(({ traced: isTraced, reason }) => reason ?? isTraced)).toEqual([true]);
  expect(worstTensorError(eager, eager.readParameters(), traced.readParameters())).toBeLessThan(1e-3);
  dispose();
}

/** Sets the shift of each BatchNorm to 1, so that most ReLUs are far from their kink. */
function shiftNorms(program: StepProgram): void {
  const parameters = program.readParameters();
  for (const { kind, offset, size } of program.schema.entries) if (kind === 'norm-shift') parameters.fill(1, offset, offset + size);
  program.writeParameters(parameters);
}
