/** That training takes no more memory the longer it goes on: tensors to the piece, the process's memory within a bound. */

import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { expect } from 'vitest';
import type { EngineName } from '../../src/config/schema.js';
import { openEngine } from '../../src/engines/catalogue.js';
import { buildStep } from '../../src/programs/choose-step.js';
import type { StepProgram } from '../../src/step/step-program.js';
import { median } from '../bench/statistics.js';
import { countTensors } from './leak-guard.js';
import { type BatchOptions, distilStage, knobsOf, noiseBatch, trainingOf } from './training.js';

export interface FlatCase {
  readonly engine: EngineName;
  /** Whether steps run as graphs; the engine must be able to. */
  readonly traced: boolean;
  readonly shape: BatchOptions;
  /** All steps. */
  readonly steps: number;
  build(): LayersModel | Promise<LayersModel>;
}

/** Caches fill, memory is fetched from the system and code is compiled. */
const WARM_UP = 300;
/** The run has so many equal parts. */
const PARTS = 10;
/** The process is measured so often in each part: an allocator takes and gives back megabytes all the time. */
const MEASURES = 10;
const MIB = 2 ** 20;
/**
 * The most growth over all parts, if each grew as the median one. A leak grows in every part; an allocator or a compiler takes
 * megabytes for good now and then.
 */
const RESIDENT_MAX = 6 * MIB;
/** On the engine cpu all tensors are V8's, and what it keeps of what was freed is its own affair: SCRIPT_MAX is what holds there. */
const RESIDENT_MAX_CPU = 200 * MIB;
const SCRIPT_MAX = 1.5 * MIB;
const KNOBS = knobsOf({ rate: 0.01, temperature: 4, alpha: 0.5 });

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes: of the whole process, and of what JavaScript holds on its heap and beside it. */
interface Memory {
  readonly resident: number;
  readonly script: number;
}

async function memoryNow(): Promise<Memory> {
  // Memory behind a native object is freed in a turn of its own.
  for (let turn = 0; turn < 3; turn++) {
    collectGarbage();
    await setImmediate();
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { resident: rss, script: heapUsed + external };
}

/** Bytes of the module of tfjs's wasm: what a kernel keeps there is no tensor. 0 on other engines. */
function wasmMemory(): number {
  return tf.getBackend() === 'wasm' ? (tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } }).wasm.HEAPU8.byteLength : 0;
}

/** Whole steps, and now and then all else that a program does between them. */
async function run(program: StepProgram, shape: BatchOptions, steps: number): Promise<void> {
  const batches = [1, 2, 3, 4].map((seed) => noiseBatch(seed, shape));
  for (let t = 0; t < steps; t++) {
    const batch = batches[t % batches.length]!;
    program.step(batch, KNOBS);
    if (t % 10 !== 0) continue;
    program.evaluate(batch.images, batch.labels.classes, batch.size);
    program.writeParameters(program.readParameters());
    program.writeSlots(program.readSlots());
    program.forward(batch.images, batch.size);
    program.backward(batch, KNOBS);
    await setImmediate();
  }
}

/** Bounds the growth over all parts, as if each grew as the median one. `parts` are the measurements of each part. */
function expectFlat(parts: readonly (readonly Memory[])[], what: keyof Memory, most: number): void {
  const levels = parts.map((measured) => median(measured.map((memory) => memory[what])));
  const growth = levels.slice(1).map((after, i) => after - levels[i]!);
  expect(PARTS * median(growth), `${what} bytes, from part to part: ${growth.join(' ')}`).toBeLessThan(most);
}

/** Trains a model of the case by distillation; fails if tensors are left, or memory grows from part to part. */
export async function expectFlatMemory({ engine, traced, shape, steps, build }: FlatCase): Promise<void> {
  await openEngine(engine);
  const model = await build();
  const ways = new Set<boolean>();
  const program = buildStep({
    engine,
    wanted: { trace: traced ? 'auto' : 'off', precision: 'fp32' },
    model,
    training: trainingOf(distilStage(), shape.classes),
    inputShape: shape.inputShape,
    onNotice: (notice) => ways.add(notice.traced),
  });
  await run(program, shape, WARM_UP);
  expect([...ways]).toEqual([traced]);
  const tensors = countTensors();
  const module = wasmMemory();
  const between = Math.floor((steps - WARM_UP) / (PARTS * MEASURES));
  const memory: Memory[][] = [];
  for (let i = 0; i < PARTS; i++) {
    const part: Memory[] = [];
    for (let j = 0; j < MEASURES; j++) {
      await run(program, shape, between);
      part.push(await memoryNow());
    }
    memory.push(part);
  }
  expect(countTensors()).toEqual(tensors);
  expect(wasmMemory()).toBe(module);
  expectFlat(memory, 'script', SCRIPT_MAX);
  expectFlat(memory, 'resident', engine === 'cpu' ? RESIDENT_MAX_CPU : RESIDENT_MAX);
  program.dispose();
  model.dispose();
}
