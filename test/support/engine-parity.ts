/** Some steps of distillation on another engine beside those of the engine `cpu`, tensor by tensor. */

import { expect, test } from 'vitest';
import type { EngineName } from '../../src/config/schema.js';
import { openEngine } from '../../src/engines/catalogue.js';
import { buildModel } from '../../src/nn/build.js';
import { buildEagerStep } from '../../src/step/eager-step.js';
import type { ArenaSchema } from '../../src/tensor/arena.js';
import { expectSameFloats } from './same-floats.js';
import { distilStage, knobsOf, noiseBatch, trainingOf } from './training.js';

const CLASSES = 4;

/** The course of a model's steps, and the tensors whose gradient is rounding and nothing else; by default none. */
export interface Course {
  readonly steps: number;
  readonly rate: number;
  readonly size: number;
  /** BatchNorm's shift at the start. */
  readonly shift: number;
  /** The height and the width of the images; by default 8. */
  readonly side?: number;
  readonly idle?: RegExp;
}

const COURSE: Course = { steps: 2, rate: 0.01, size: 4, shift: 0 };

/** For deep models of few channels, which make rounding large: most ReLUs are far from their kink, and no step builds on another. */
export const SMOOTH_COURSE: Course = { steps: 1, rate: 1, size: 16, shift: 1 };

/** A model of the catalogue, its options, and the course of its steps if it has one of its own. */
export type ModelCase = readonly [name: string, options: Record<string, string>, course?: Course];

/** Parameters and slots after some steps of distillation. */
async function trainedOn(engine: EngineName, [name, options, { steps, rate, size, shift, side = 8 } = COURSE]: ModelCase) {
  const shape = { inputShape: [side, side, 3] as const, classes: CLASSES };
  await openEngine(engine);
  const model = await buildModel({ name, options }, { ...shape, seed: 3 });
  const optimizer = { name: 'sgd', rate, momentum: 0.9, nesterov: false, weightDecay: 1e-3, decayAll: false } as const;
  const program = buildEagerStep({ model, training: trainingOf(distilStage({ optimizer }), CLASSES), inputShape: shape.inputShape });
  const start = program.readParameters();
  for (const entry of program.schema.entries) if (entry.kind === 'norm-shift') start.fill(shift, entry.offset, entry.offset + entry.size);
  program.writeParameters(start);
  const losses = Array.from(
    { length: steps },
    (_, t) => program.step(noiseBatch(t, { ...shape, size, taught: true }), knobsOf({ rate, temperature: 4, alpha: 0.9 })).lossSum,
  );
  const result = { schema: program.schema, start, losses, parameters: program.readParameters() };
  program.dispose();
  model.dispose();
  return result;
}

function distance(a: Float32Array, b: Float32Array): number {
  return Math.sqrt(a.reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0));
}

const reference = new Map<ModelCase, Awaited<ReturnType<typeof trainedOn>>>();

/** The reference, worked out once. */
async function trainedOnCpu(one: ModelCase) {
  const found = reference.get(one) ?? (await trainedOn('cpu', one));
  reference.set(one, found);
  return found;
}

/** Declares a test of each model: its steps change each of its tensors as on `cpu`. */
export function agreesWithCpu(engine: EngineName, cases: readonly ModelCase[]): void {
  test.each(cases.map((one) => ({ one, name: one[0], options: one[1] })))(
    '$name $options: each tensor changes as on cpu',
    async ({ one }) => {
      const cpu = await trainedOnCpu(one);
      const other = await trainedOn(engine, one);
      expectSameFloats(other.start, cpu.start, 'the initial parameters');
      expect(other.schema).toEqual(cpu.schema);
      other.losses.forEach((loss, t) => {
        expect(Math.abs(loss / (cpu.losses[t] as number) - 1)).toBeLessThan(1e-5);
      });
      for (const { name: entry, kind, offset, size } of cpu.schema.entries) {
        // BatchNorm removes the bias of the convolution before it: its gradient is rounding and nothing else.
        if (kind === 'bias' && entry.includes('conv') && hasNorms(cpu.schema)) continue;
        if (one[2]?.idle?.test(entry)) continue;
        const [from, a, b] = [cpu.start, cpu.parameters, other.parameters].map((arena) => arena.subarray(offset, offset + size)) as [
          Float32Array,
          Float32Array,
          Float32Array,
        ];
        const moved = distance(from, a);
        expect(moved, `${entry} does not move`).toBeGreaterThan(0);
        expect(distance(a, b) / moved, entry).toBeLessThan(1e-4);
      }
    },
  );
}

function hasNorms({ entries }: ArenaSchema): boolean {
  return entries.some(({ kind }) => kind === 'norm-scale');
}
