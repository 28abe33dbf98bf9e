/**
 * The same mutual learning for PyTorch: a folder with the pixels, the order and the initial parameters of a stage, as our
 * processes have them, and the program that trains them by PyTorch's own arithmetic (torch-cohort.py).
 */

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runFolderAt } from '../../coordinator/shell/run-folder.js';
import { present } from '../../src/base/assert.js';
import { columnBatchMax } from '../../src/config/batch.js';
import { peersOf } from '../../src/config/peer.js';
import type { PeerRecipe, Recipe } from '../../src/config/schema.js';
import { assembleBatch } from '../../src/data/batch.js';
import { loadSplit } from '../../src/data/dataset.js';
import type { SampleSource } from '../../src/data/sample-source.js';
import { buildModel } from '../../src/nn/build.js';
import { arenaSchemaOf, disposeModel, readArena } from '../../src/nn/weights.js';
import { loadRecipe } from '../../src/recipe/load-recipe.js';
import { initialSeed, testView, trainingView } from '../../worker/kit/view.js';
import { planBatches } from '../../worker/student/batch-plan.js';

const STAGE = 'pair';
/** PyTorch shuffles by itself with this seed; null: it gets our order. The initial parameters are ours. */
type Seed = number | null;

/** The reason in words why there is no PyTorch to compare with; null when there is. */
export function whyNoTorch(): string | null {
  const python = process.env.STILLHOUSE_TORCH;
  if (python === undefined) return 'STILLHOUSE_TORCH names no Python that has torch';
  const { status, stderr, error } = spawnSync(python, ['-c', 'import torch'], { encoding: 'utf8' });
  return status === 0 ? null : `${python} has no torch: ${error?.message ?? stderr.trim().split('\n').at(-1)}`;
}

/** The final parameters of a peer in PyTorch, computed in float32 and in float64, and those of a peer that learns from the labels alone. */
export interface TorchParameters {
  readonly float32: Float32Array;
  readonly float64: Float32Array;
  readonly alone: Float32Array;
}

/** Trains the run's stage in PyTorch with its parameters, batches and pixels. The final parameters of each peer, by its name. */
export async function trainTheSame(run: string, folder: string): Promise<ReadonlyMap<string, TorchParameters>> {
  const recipe = await loadRecipe(runFolderAt(run).config);
  await writeCase(recipe, folder, null);
  runTorch(folder);
  const read = (name: string, which: keyof TorchParameters): Float32Array => floatsOf(join(folder, `${name}.${which}`));
  const readAll = (name: string): TorchParameters => ({
    float32: read(name, 'float32'),
    float64: read(name, 'float64'),
    alone: read(name, 'alone'),
  });
  return new Map(peersIn(recipe).map(([name]) => [name, readAll(name)]));
}

/** Trains the run's stage in PyTorch from this seed. The accuracy of each peer on the stage's test images, by its name. */
export async function trainFromSeed(run: string, folder: string, seed: number): Promise<Readonly<Record<string, number>>> {
  await writeCase(await loadRecipe(runFolderAt(run).config), folder, seed);
  return JSON.parse(runTorch(folder)) as Record<string, number>;
}

function runTorch(folder: string): string {
  const script = join(dirname(fileURLToPath(import.meta.url)), 'torch-cohort.py');
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' };
  const { status, stdout, stderr } = spawnSync(present(process.env.STILLHOUSE_TORCH, 'a Python'), [script, folder], {
    encoding: 'utf8',
    env,
  });
  if (status !== 0) throw new Error(`${script}: ${stderr}`);
  return stdout;
}

function peersIn(recipe: Recipe): readonly (readonly [string, PeerRecipe])[] {
  return [...peersOf(present(recipe.stages[STAGE], STAGE))];
}

async function writeCase(recipe: Recipe, folder: string, seed: Seed): Promise<void> {
  const peers = peersIn(recipe);
  const [, stage] = present(peers[0], 'a peer');
  const split = await loadSplit(recipe.data, stage.on);
  const loss = stage.loss as { readonly temperature?: number; readonly weight?: number };
  const shape = { inputShape: [split.height, split.width, split.channels] as const, classes: split.classes };
  const train = seed === null ? trainedPixels(recipe, stage, split) : plainPixels(recipe, split);
  const test = plainPixels(recipe, await loadSplit(recipe.data, present(stage.test, 'a test split')));
  const content = {
    ...shape,
    seed,
    // Our order is that of all epochs.
    epochs: seed === null ? 1 : stage.epochs,
    batch: columnBatchMax(stage.batch),
    temperature: present(loss.temperature, 'a temperature'),
    weight: present(loss.weight, 'a weight'),
    train: writePixels(folder, 'train', train),
    test: writePixels(folder, 'test', test),
    peers: await Promise.all(peers.map(([name, own]) => peerCase({ recipe, folder, name, own, shape }))),
  };
  writeFileSync(join(folder, 'cohort.json'), JSON.stringify(content));
}

interface PeerPlan {
  readonly recipe: Recipe;
  readonly folder: string;
  readonly name: string;
  readonly own: PeerRecipe;
  readonly shape: { readonly inputShape: readonly [number, number, number]; readonly classes: number };
}

async function peerCase({ recipe, folder, name, own, shape }: PeerPlan): Promise<object> {
  const { optimizer } = own;
  if (optimizer.name !== 'sgd' || optimizer.nesterov || optimizer.weightDecay > 0) throw new Error('only plain SGD is compared');
  const model = present(recipe.models[own.model], own.model);
  const plan = { name, model, rate: optimizer.rate, momentum: optimizer.momentum };
  const built = await buildModel(model, { ...shape, seed: initialSeed(recipe, { model: own.model, peer: name }) });
  const schema = arenaSchemaOf(built);
  const arena = join(folder, `${name}.start.f32`);
  writeFileSync(arena, readArena(built, schema));
  disposeModel(built);
  return { ...plan, arena, schema };
}

interface Pixels {
  readonly images: Float32Array;
  readonly labels: Int32Array;
}

/** All batches of the stage, in the order in which the students train them. */
function trainedPixels(recipe: Recipe, stage: PeerRecipe, split: SampleSource): Pixels {
  const ranges = [{ start: 0, end: stage.epochs * split.count }];
  const plan = planBatches({ ranges, size: split.count, batch: columnBatchMax(stage.batch), seed: recipe.seed });
  const imageSize = split.height * split.width * split.channels;
  const out = room(stage.epochs * split.count, imageSize);
  let done = 0;
  for (const { epoch, samples } of plan) {
    const at = { images: out.images.subarray(done * imageSize), labels: out.labels.subarray(done) };
    assembleBatch({ store: split.store, view: trainingView(recipe, stage, epoch), samples, out: at });
    done += samples.length;
  }
  return out;
}

function plainPixels(recipe: Recipe, split: SampleSource): Pixels {
  const out = room(split.count, split.height * split.width * split.channels);
  assembleBatch({ store: split.store, view: testView(recipe), samples: Int32Array.from({ length: split.count }, (_, i) => i), out });
  return out;
}

function room(count: number, imageSize: number): Pixels {
  return { images: new Float32Array(count * imageSize), labels: new Int32Array(count) };
}

function writePixels(folder: string, name: string, { images, labels }: Pixels): { images: string; labels: string } {
  const files = { images: join(folder, `${name}.images`), labels: join(folder, `${name}.labels`) };
  writeFileSync(files.images, images);
  writeFileSync(files.labels, labels);
  return files;
}

function floatsOf(file: string): Float32Array {
  const bytes = readFileSync(file);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}
