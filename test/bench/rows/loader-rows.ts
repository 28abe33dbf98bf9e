/**
 * The rows against PyTorch's DataLoader: images of CIFAR's shape in memory, cropped, mirrored and normalised into batches
 * that nothing else is done with. The gate compares images whose crops are given, pixel by pixel, and statistics of
 * batches whose crops are drawn: each side draws its own.
 */

import { fileURLToPath } from 'node:url';
import { NO_TORCH, pythonSide } from '../anchors.js';
import { compareNumbers } from '../gate.js';
import { writeLoaderCase } from '../loader-case.js';
import type { Contest, GateAnswer, Row } from '../row.js';
import { readFloats } from '../training-case.js';

interface LoaderRow {
  readonly name: string;
  readonly what: string;
  /** Of anchors/torch_loader.py. */
  readonly variant: 'usual' | 'batched';
}

const ROWS: readonly LoaderRow[] = [
  { name: 'loader-cifar', variant: 'usual', what: "crop, flip and normalise, against torchvision's transforms in a DataLoader" },
  { name: 'loader-cifar-batched', variant: 'batched', what: 'the same, against a data set written by hand for whole batches' },
];
const WORKERS = [0, 1, 2];
/** Relative, of statistics over some thousand images; absolute, of a pixel. */
const STATISTIC_TOLERANCE = 0.03;
const PIXEL_TOLERANCE = 1e-5;

export const loaderRows: readonly Row[] = ROWS.map(({ name, what, variant }) => ({
  name,
  what,
  warmUp: 100,
  async prepare(settings) {
    if (settings.torch === null) return NO_TORCH;
    const { folder, batch, threads } = settings;
    writeLoaderCase({ folder, batch, threads });
    const anchor = (workers: number) =>
      pythonSide(settings, {
        label: `PyTorch DataLoader, ${workers} workers`,
        script: 'torch_loader.py',
        args: [folder, String(workers), variant],
        imagesPerStep: batch,
      });
    return {
      ours: {
        label: 'Stillhouse loader',
        command: process.execPath,
        args: [fileURLToPath(new URL('../sides/loader-side.js', import.meta.url)), folder],
        env: {},
        imagesPerStep: batch,
      },
      anchors: WORKERS.map(anchor),
      compare: compareAnswers,
    } satisfies Contest;
  },
}));

function compareAnswers(ours: GateAnswer, anchor: GateAnswer): string | null {
  const statistics = compareNumbers(ours.numbers, anchor.numbers, STATISTIC_TOLERANCE);
  if (statistics !== null) return `of black and of the deviation, ${statistics}`;
  const [own, other] = [ours, anchor].map(({ arrays }) => readFloats(arrays.images ?? '')) as [Float32Array, Float32Array];
  if (own.length !== other.length) return `${own.length} pixels of ours and ${other.length} of the anchor`;
  const at = own.findIndex((value, i) => !(Math.abs(value - (other[i] ?? Number.NaN)) <= PIXEL_TOLERANCE));
  return at < 0 ? null : `pixel ${at} is ${own[at]}, the anchor's ${other[at]}`;
}
