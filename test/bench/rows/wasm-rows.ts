/**
 * Steps on the engine `wasm`, against the rate at which tfjs's own wasm backend runs convolutions forward: floating point
 * operations of the step's convolutions over the time of the whole step. The anchor's "images per second" are those that
 * a step would do if all of it ran at that rate. The gate: the loss falls from step to step on one and the same batch
 * (that the gradients are right is tested in test/numeric).
 */

import { fileURLToPath } from 'node:url';
import { ourSide } from '../our-program.js';
import { forwardOperations, stepOperations } from '../resnet-work.js';
import type { Contest, GateAnswer, Row } from '../row.js';
import { type TrainingKind, writeTrainingCase } from '../training-case.js';

interface WasmRow {
  readonly name: string;
  readonly what: string;
  readonly kind: TrainingKind;
  /** Floating point operations of the convolutions, for one image. */
  readonly operations: number;
}

const ROWS: readonly WasmRow[] = [
  {
    name: 'wasm-step',
    what: 'the KD step on wasm: FLOPs / time over those of its own convolutions forward; one thread',
    kind: 'kd-step',
    operations: forwardOperations(56) + stepOperations(20),
  },
  {
    name: 'wasm-student-step',
    what: "the same for the student's step alone",
    kind: 'student-step',
    operations: stepOperations(20),
  },
];

export const wasmRows: readonly Row[] = ROWS.map(({ name, what, kind, operations }) => ({
  name,
  what,
  // Compiled once, and in seconds: times are level from the second step on.
  warmUp: 2,
  async prepare(settings) {
    const { folder, batch } = settings;
    await writeTrainingCase({ folder, batch, kind, precision: 'fp32', threads: 1, batches: 1, gateSteps: 3 });
    const script = fileURLToPath(new URL('../sides/convolution-side.js', import.meta.url));
    return {
      ours: ourSide({ ...settings, threads: 1 }, 'wasm'),
      anchors: [
        {
          label: "tfjs wasm's convolutions",
          command: process.execPath,
          args: [script, String(batch)],
          env: {},
          imagesPerStep: (batch * forwardOperations(20)) / operations,
        },
      ],
      compare: (ours) => fallsOrWhy(ours),
    } satisfies Contest;
  },
}));

/** Null when every number is below the one before it. */
export function fallsOrWhy({ numbers }: Pick<GateAnswer, 'numbers'>): string | null {
  const falls = numbers.length > 1 && numbers.every((loss, i) => i === 0 || loss < (numbers[i - 1] ?? Number.NaN));
  return falls ? null : `the loss does not fall: ${numbers.map((loss) => loss.toPrecision(4)).join(', ')}`;
}
