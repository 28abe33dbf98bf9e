/**
 * The inputs of the rows `overhead-...`, as files: a ResNet-32x4 teaches a ResNet-8x4 on images of CIFAR-100's shape, by each method with
 * the taps, weights and numbers of `deploy/recipes/cifar100-resnet32x4-resnet8x4.yaml`. `method.json` describes them. Deterministic.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PeerRecipe, TermRecipe } from '../../src/config/schema.js';
import { openEngine } from '../../src/engines/catalogue.js';
import { type CaseModel, type Shape, type TrainingCase, writeBatches, writeModel } from './training-case.js';

/** A method, as a recipe says it. */
export interface Method {
  readonly loss: PeerRecipe['loss'];
  /** The numbers that the teacher must give for a batch of so many images, as the method's tensors are reckoned by hand. */
  reckon(batch: number): number;
  /** Whether a step of it may take much longer than one of plain distillation: what it computes does. */
  readonly isCostly?: boolean;
}

type TapPairs = NonNullable<TermRecipe['taps']>;

/** The last layer of a stage, the student's and the teacher's. */
const end = (stage: number) => [`stage${stage}.block1.relu2`, `stage${stage}.block5.relu2`] as const;
const ENDS: TapPairs = [end(1), end(2), end(3)];
const POOLED: TapPairs = [['pool', 'pool']];
const FLOWS = [1, 2].map((stage) => [0, 1].map((side) => [end(stage)[side], end(stage + 1)[side]]));

/** The places and channels of the teacher's maps at those ends. */
const MAPS = [
  { places: 32 * 32, channels: 64 },
  { places: 16 * 16, channels: 128 },
  { places: 8 * 8, channels: 256 },
] as const;
const [MAP_1, MAP_2, MAP_3] = MAPS;

/** Over all ends. */
function total(numbersOf: (map: (typeof MAPS)[number]) => number): number {
  return MAPS.reduce((sum, map) => sum + numbersOf(map), 0);
}

/** One term beside the labels. */
function term(loss: string, numbers: Omit<TermRecipe, 'loss'> = {}): PeerRecipe['loss'] {
  return { labels: { weight: 1, smoothing: 0 }, terms: [{ loss, ...numbers }] };
}

/** The combined strategy with the weights of `deploy/recipes/article-2.yaml`. */
const COMBINED: PeerRecipe['loss'] = {
  labels: { weight: 0.3, smoothing: 0 },
  terms: [
    { loss: 'hinton', weight: 0.7, temperature: 4 },
    { loss: 'fitnets', weight: 50, taps: [end(2)] },
    { loss: 'attention-transfer', weight: 300, taps: ENDS },
    { loss: 'rkd', weight: 0.2, distance: 25, angle: 50, taps: POOLED },
  ],
};

const SHAPE: Shape = { inputShape: [32, 32, 3], classes: 100 };
const ofLogits = (batch: number) => batch * SHAPE.classes;
const ofPooled = (batch: number) => batch * MAP_3.channels;
const ofAttention = (batch: number) => batch * total(({ places }) => places);
const ofHints = (batch: number) => batch * MAP_2.places * MAP_2.channels;

/** The method that all others are compared with. */
export const PLAIN = 'hinton';

/** By name. To measure one more: its line here. */
export const METHODS: Readonly<Record<string, Method>> = {
  [PLAIN]: { loss: { temperature: 4, alpha: 0.9, labelSmoothing: 0 }, reckon: ofLogits },
  dkd: { loss: term('dkd', { weight: 1, alpha: 1, beta: 8, temperature: 4 }), reckon: ofLogits },
  'selective-weighted': { loss: term('selective-weighted'), reckon: ofLogits },
  'selective-right': { loss: term('selective-right'), reckon: ofLogits },
  'selective-entropy': { loss: term('selective-entropy'), reckon: ofLogits },
  'selective-margin': { loss: term('selective-margin'), reckon: ofLogits },
  'attention-transfer': { loss: term('attention-transfer', { weight: 1000, taps: ENDS }), reckon: ofAttention },
  'gradient-attention': { loss: term('gradient-attention'), reckon: (batch) => batch * 32 * 32 * 3, isCostly: true },
  'fitnets-joint': { loss: term('fitnets', { weight: 100, taps: [end(2)] }), reckon: ofHints },
  // Whole maps; of the last stage the Gram matrix of the places, which is smaller.
  nst: {
    loss: term('nst', { weight: 50, taps: ENDS }),
    reckon: (batch) => batch * total(({ places, channels }) => places * Math.min(places, channels)),
  },
  gram: { loss: term('gram', { weight: 50, taps: ENDS }), reckon: (batch) => batch * total(({ channels }) => channels ** 2) },
  fsp: {
    loss: term('fsp', { weight: 50, flows: FLOWS as unknown as TermRecipe['flows'] }),
    reckon: (batch) => batch * (MAP_1.channels * MAP_2.channels + MAP_2.channels * MAP_3.channels),
  },
  pkt: { loss: term('pkt', { weight: 30000, taps: POOLED }), reckon: ofPooled },
  rkd: { loss: term('rkd', { weight: 1, distance: 25, angle: 50, taps: POOLED }), reckon: ofPooled },
  crd: { loss: term('crd', { weight: 0.8, negatives: 16384, taps: POOLED }), reckon: ofPooled, isCostly: true },
  similarity: { loss: term('similarity', { weight: 3000, taps: [end(3)] }), reckon: (batch) => batch ** 2 },
  combined: { loss: COMBINED, reckon: (batch) => [ofLogits, ofHints, ofAttention, ofPooled].reduce((sum, of) => sum + of(batch), 0) },
};

export interface MethodCase extends Shape, Pick<TrainingCase, 'batch' | 'batches' | 'images' | 'labels' | 'gateSteps'> {
  /** SGD with momentum; the decay acts on all parameters. Small: the models are new, and the images are noise. */
  readonly rate: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly teacher: CaseModel;
  readonly student: CaseModel;
}

/** The name of a case's description in its folder. */
const CASE_FILE = 'method.json';

export interface MethodCaseOptions extends Pick<MethodCase, 'batch'> {
  readonly folder: string;
}

/** Writes a case into the folder. Makes `cpu` tfjs's backend in this process. */
export async function writeMethodCase({ folder, batch }: MethodCaseOptions): Promise<MethodCase> {
  await openEngine('cpu');
  const batches = 2;
  const description: MethodCase = {
    ...SHAPE,
    ...{ batch, batches, gateSteps: 3 },
    rate: 1e-3,
    momentum: 0.9,
    weightDecay: 5e-4,
    teacher: await writeModel(folder, { name: 'resnet32x4', shape: SHAPE, seed: 1 }),
    student: await writeModel(folder, { name: 'resnet8x4', shape: SHAPE, seed: 2 }),
    ...writeBatches(folder, { batch, batches, shape: SHAPE }),
  };
  writeFileSync(join(folder, CASE_FILE), JSON.stringify(description));
  return description;
}

/** The case that was written into the folder. */
export function readMethodCase(folder: string): MethodCase {
  return JSON.parse(readFileSync(join(folder, CASE_FILE), 'utf8')) as MethodCase;
}
