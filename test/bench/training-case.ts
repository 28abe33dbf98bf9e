/**
 * The inputs that both sides of a training row start from, as files: the models' parameters as flat arenas with the
 * schema that says where each lies, and some batches of noise that the steps take in turn. `training.json` describes
 * them; arrays are raw little-endian. Deterministic.
 *
 * The teacher's BatchNorms have statistics and scales as a trained model has them: with those of a new model the
 * signal of a ResNet-56 grows with every block, and a fold that mixes up two of them would not be seen.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashString, Prng } from '../../src/base/prng.js';
import { openEngine } from '../../src/engines/catalogue.js';
import { buildModel } from '../../src/nn/build.js';
import { arenaSchemaOf, readArena } from '../../src/nn/weights.js';
import type { StepBatch } from '../../src/step/step-program.js';
import type { ArenaEntry, ArenaSchema } from '../../src/tensor/arena.js';
import { noiseBatch } from '../support/training.js';

/** What a step is: the student's with the labels, the same after the teacher's forward, or the teacher's forward. */
export type TrainingKind = 'student-step' | 'kd-step' | 'teacher-forward';
export type Precision = 'fp32' | 'bf16';

/** The models whose parameters imitate training. */
const TEACHERS = ['resnet56', 'resnet32x4'] as const;

export interface CaseModel {
  readonly name: (typeof TEACHERS)[number] | 'resnet20' | 'resnet8x4';
  /** File of the initial parameters. */
  readonly arena: string;
  readonly schema: ArenaSchema;
}

export interface TrainingCase {
  readonly kind: TrainingKind;
  readonly precision: Precision;
  readonly threads: number;
  /** Images in a batch, and how many batches there are. */
  readonly batch: number;
  readonly batches: number;
  readonly inputShape: readonly [number, number, number];
  readonly classes: number;
  readonly knobs: { readonly rate: number; readonly temperature: number; readonly alpha: number };
  /** Of SGD; the decay acts on all parameters. */
  readonly momentum: number;
  readonly weightDecay: number;
  /** Steps of the gate, all with losses; the parameters are compared after the first. */
  readonly gateSteps: number;
  readonly teacher: CaseModel;
  readonly student: CaseModel;
  /** Files: float32 [batches, batch, height, width, channels] and int32 [batches, batch]. */
  readonly images: string;
  readonly labels: string;
}

export interface CaseOptions extends Pick<TrainingCase, 'kind' | 'precision' | 'threads' | 'batch'> {
  readonly folder: string;
  /** By default 4. */
  readonly batches?: number;
  /** By default 10. */
  readonly gateSteps?: number;
}

/** The name of a case's description in its folder. */
export const CASE_FILE = 'training.json';

const SHAPE: Shape = { inputShape: [32, 32, 3], classes: 10 };

/** Writes a case into the folder. Makes `cpu` tfjs's backend in this process. */
export async function writeTrainingCase(options: CaseOptions): Promise<TrainingCase> {
  const { folder, kind, precision, threads, batch, batches = 4, gateSteps = 10 } = options;
  await openEngine('cpu');
  const description: TrainingCase = {
    ...SHAPE,
    ...{ kind, precision, threads, batch, batches },
    knobs: { rate: 0.01, temperature: 4, alpha: 0.9 },
    momentum: 0.9,
    weightDecay: 1e-4,
    gateSteps,
    teacher: await writeModel(folder, { name: 'resnet56', shape: SHAPE, seed: 1 }),
    student: await writeModel(folder, { name: 'resnet20', shape: SHAPE, seed: 1 }),
    ...writeBatches(folder, { batch, batches, shape: SHAPE }),
  };
  writeFileSync(join(folder, CASE_FILE), JSON.stringify(description));
  return description;
}

/** The case that was written into the folder. */
export function readTrainingCase(folder: string): TrainingCase {
  return JSON.parse(readFileSync(join(folder, CASE_FILE), 'utf8')) as TrainingCase;
}

export interface Shape {
  readonly inputShape: readonly [number, number, number];
  readonly classes: number;
}

/** Writes batches of noise, and answers their files. */
export function writeBatches(
  folder: string,
  { batch, batches, shape }: Pick<TrainingCase, 'batch' | 'batches'> & { readonly shape: Shape },
): Pick<TrainingCase, 'images' | 'labels'> {
  const [images, labels] = [join(folder, 'images.f32'), join(folder, 'labels.i32')];
  const samples = Array.from({ length: batches }, (_, i) => noiseBatch(i, { ...shape, size: batch }));
  writeFileSync(images, Buffer.concat(samples.map((sample) => bytesOf(sample.images))));
  writeFileSync(labels, Buffer.concat(samples.map((sample) => bytesOf(sample.labels.classes))));
  return { images, labels };
}

/** The inputs of a step that the batch itself gives. */
export type Samples = Pick<StepBatch, 'size' | 'images' | 'labels'>;

/** The batches of a case. */
export function readBatches({ batches, batch, images, labels }: Pick<TrainingCase, 'batches' | 'batch' | 'images' | 'labels'>): Samples[] {
  const [pixels, classes] = [readFloats(images), readInts(labels)];
  const imageBatch = pixels.length / batches;
  return Array.from({ length: batches }, (_, i) => ({
    size: batch,
    images: pixels.slice(i * imageBatch, (i + 1) * imageBatch),
    labels: { classes: classes.slice(i * batch, (i + 1) * batch), mixed: null },
  }));
}

interface ModelOptions extends Pick<CaseModel, 'name'> {
  readonly shape: Shape;
  readonly seed: number;
}

/** Writes a model's first parameters. One file for each name and seed. Makes use of the engine that is open. */
export async function writeModel(folder: string, { name, shape, seed }: ModelOptions): Promise<CaseModel> {
  const model = await buildModel({ name, options: {} }, { ...shape, seed });
  const schema = arenaSchemaOf(model);
  const values = readArena(model, schema);
  model.dispose();
  if (TEACHERS.some((teacher) => teacher === name)) for (const entry of schema.entries) imitateTraining(entry, values);
  const arena = join(folder, `${name}-${seed}.f32`);
  writeFileSync(arena, bytesOf(values));
  return { name, arena, schema };
}

/** Overwrites an entry of BatchNorm. The second of a block scales what the block adds to its input: small. */
function imitateTraining({ name, kind, offset, size }: ArenaEntry, arena: Float32Array): void {
  const random = new Prng(hashString(name));
  const draw: Partial<Record<ArenaEntry['kind'], () => number>> = {
    'norm-scale': () => (name.includes('norm2') ? 0.25 : 0.9) + 0.1 * random.normal(),
    'norm-shift': () => 0.1 * random.normal(),
    'norm-mean': () => 0.2 * random.normal(),
    'norm-variance': () => 0.6 + 0.8 * random.uniform(),
  };
  const next = draw[kind];
  if (next !== undefined) for (let i = offset; i < offset + size; i++) arena[i] = next();
}

/** A file of raw float32. */
export function readFloats(file: string): Float32Array {
  const bytes = readFileSync(file);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/** A file of raw int32. */
export function readInts(file: string): Int32Array {
  const bytes = readFileSync(file);
  return new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/** An array as what is written to a file. */
export function bytesOf(array: Float32Array | Int32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
