/**
 * The inputs of the rows of mutual learning, as files: two ResNet-20 that start differently, and batches of noise of CIFAR-100's
 * shape, so that the predictions have the bytes of CIFAR-100. `mutual.json` describes them. Deterministic.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openEngine } from '../../src/engines/catalogue.js';
import { type CaseModel, type Shape, type TrainingCase, writeBatches, writeModel } from './training-case.js';

/** The names of the two peers, which are also their places in `peers`. */
export const PEERS = ['one', 'two'] as const;
export type Peer = (typeof PEERS)[number];

/** When a peer asks the other about a step. `ahead`: as soon as the step before is over, as the product does. `at-need`: after its own forward pass. */
export type Asking = 'ahead' | 'at-need';
/** How two peers make their steps. `alone`: each with its own predictions in place of the other's. `labels`: each with the labels alone, uncut. */
export type MutualHow = Asking | 'alone' | 'labels';

/** Whether the peers exchange their predictions. */
export function exchanges(how: MutualHow): how is Asking {
  return how === 'ahead' || how === 'at-need';
}

export interface MutualCase extends Shape, Pick<TrainingCase, 'batch' | 'batches' | 'images' | 'labels' | 'gateSteps'> {
  /** The threads of a program that trains both peers. A peer in a process of its own has one. */
  readonly threads: number;
  /** SGD with momentum; the decay acts on all parameters. */
  readonly rate: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly peers: Readonly<Record<Peer, CaseModel>>;
}

/** The name of a case's description in its folder. */
const CASE_FILE = 'mutual.json';

const SHAPE: Shape = { inputShape: [32, 32, 3], classes: 100 };

export interface MutualCaseOptions extends Pick<MutualCase, 'batch'> {
  readonly folder: string;
  /** By default 10. */
  readonly gateSteps?: number;
}

/** Writes a case into the folder. Makes `cpu` tfjs's backend in this process. */
export async function writeMutualCase({ folder, batch, gateSteps = 10 }: MutualCaseOptions): Promise<MutualCase> {
  await openEngine('cpu');
  const batches = 4;
  const modelOf = (seed: number) => writeModel(folder, { name: 'resnet20', shape: SHAPE, seed });
  const description: MutualCase = {
    ...SHAPE,
    ...{ batch, batches, gateSteps },
    threads: PEERS.length,
    rate: 0.01,
    momentum: 0.9,
    weightDecay: 5e-4,
    peers: { one: await modelOf(1), two: await modelOf(2) },
    ...writeBatches(folder, { batch, batches, shape: SHAPE }),
  };
  writeFileSync(join(folder, CASE_FILE), JSON.stringify(description));
  return description;
}

/** The case that was written into the folder. */
export function readMutualCase(folder: string): MutualCase {
  return JSON.parse(readFileSync(join(folder, CASE_FILE), 'utf8')) as MutualCase;
}
