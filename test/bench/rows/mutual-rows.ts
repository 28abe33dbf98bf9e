/**
 * The rows of mutual learning: two ResNet-20 that learn from each other's predictions at every step, each in a process of its own with
 * one thread. Images of CIFAR's shape in 100 classes; SGD with momentum. The gate compares, of both peers, the losses of the first
 * steps and what the first step changed in each parameter: with both programs in one process, or with PyTorch.
 */

import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { EngineName } from '../../../src/config/schema.js';
import { engineEnvironment } from '../../../src/system/engine-environment.js';
import { describeProcessor } from '../../../src/system/processor.js';
import { NO_TORCH, pythonSide } from '../anchors.js';
import { compareNumbers, compareUpdates } from '../gate.js';
import { type MutualCase, type MutualHow, PEERS, writeMutualCase } from '../mutual-case.js';
import type { Contest, GateAnswer, Row, RowSettings, SideStart } from '../row.js';
import { readFloats } from '../training-case.js';

/**
 * The largest relative differences that pass: of a loss, and of the change of a tensor of parameters, as a norm. libtensorflow's own results
 * differ from run to run too, by some 1e-5 after ten steps.
 */
const TOLERANCE = { value: 1e-4, update: 2e-2 };
/** The one-way delay of the row with a network between the peers. */
const DELAY_MS = 20;

interface OurSide {
  readonly how: MutualHow;
  readonly engine?: EngineName;
  readonly delayMs?: number;
}

interface MutualRow {
  readonly name: string;
  readonly what: string;
  readonly ours: OurSide;
  /** Two peers of ours too, which make their steps in another way. */
  readonly anchors: readonly OurSide[];
  /** The ways in which PyTorch takes part. */
  readonly torch: readonly string[];
  readonly warmUp: number;
}

const ROWS: readonly MutualRow[] = [
  {
    name: 'mutual-step',
    what: 'two peers in lockstep, a core each, against the same two without exchanging',
    ours: { how: 'ahead' },
    anchors: [{ how: 'alone' }, { how: 'labels' }],
    torch: [],
    warmUp: 20,
  },
  {
    name: 'mutual-step-delayed',
    what: `the same with a delay of ${DELAY_MS} ms each way between the two`,
    ours: { how: 'ahead', delayMs: DELAY_MS },
    anchors: [{ how: 'alone' }, { how: 'ahead' }, { how: 'at-need', delayMs: DELAY_MS }],
    torch: [],
    warmUp: 20,
  },
  {
    name: 'mutual-torch',
    what: 'two peers in lockstep, a core each, against both networks in one process of PyTorch with two threads',
    ours: { how: 'ahead' },
    anchors: [],
    torch: ['eager', 'compile'],
    warmUp: 20,
  },
  {
    name: 'mutual-step-wasm',
    what: 'mutual-step on wasm',
    ours: { how: 'ahead', engine: 'wasm' },
    anchors: [{ how: 'alone', engine: 'wasm' }],
    torch: [],
    warmUp: 2,
  },
];

export const mutualRows: readonly Row[] = ROWS.map(({ name, what, ours, anchors, torch, warmUp }) => ({
  name,
  what,
  warmUp,
  async prepare(settings) {
    if (torch.length > 0 && settings.torch === null) return NO_TORCH;
    if (availableParallelism() < PEERS.length) return { skipped: 'it takes two cores' };
    const { folder, batch } = settings;
    const description = await writeMutualCase({ folder, batch });
    const ofTorch = (variant: string) =>
      pythonSide(
        { ...settings, threads: description.threads },
        { label: `PyTorch ${variant}`, script: 'torch_mutual.py', args: [folder, variant], imagesPerStep: batch },
      );
    return {
      ours: startOf(settings, ours),
      anchors: [...anchors.map((anchor) => startOf(settings, anchor)), ...torch.map(ofTorch)],
      compare: (own, anchor) => compareAnswers({ description, ours: own, anchor }),
    } satisfies Contest;
  },
}));

/** How a side of ours is started. A step counts for the images of its batch once, though both peers see them. */
function startOf({ folder, trace, batch }: RowSettings, { how, engine = 'tensorflow', delayMs = 0 }: OurSide): SideStart {
  return {
    label: `Stillhouse ${engine}, ${how}`,
    command: process.execPath,
    args: [fileURLToPath(new URL('../sides/mutual-side.js', import.meta.url)), folder, engine, trace, how, String(delayMs)],
    env: engineEnvironment({ threads: 1, processor: describeProcessor(), inherited: process.env }),
    imagesPerStep: batch,
  };
}

interface Comparison {
  readonly description: MutualCase;
  readonly ours: GateAnswer;
  readonly anchor: GateAnswer;
}

/** The first thing that differs more than it may, in words; null when there is none. */
function compareAnswers({ description, ours, anchor }: Comparison): string | null {
  const numbers = compareNumbers(ours.numbers, anchor.numbers, TOLERANCE.value);
  if (numbers !== null) return numbers;
  for (const peer of PEERS) {
    const { arena, schema } = description.peers[peer];
    const difference = compareUpdates(schema.entries, {
      start: readFloats(arena),
      ours: readFloats(ours.arrays[peer] ?? ''),
      anchor: readFloats(anchor.arrays[peer] ?? ''),
      tolerance: TOLERANCE.update,
    });
    if (difference !== null) return `peer ${peer}: ${difference}`;
  }
  return null;
}
