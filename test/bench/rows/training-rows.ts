/**
 * The rows against PyTorch: a step of distillation (ResNet-56 teaches ResNet-20) in fp32 and bf16, its halves alone.
 * Images of CIFAR's shape, SGD with momentum; the teacher's BatchNorms are folded on both sides. The gate compares the
 * losses of the first steps and what the first step changed in each parameter, or the teacher's logits.
 */

import { NO_TORCH, pythonSide } from '../anchors.js';
import { compareNumbers, compareUpdates } from '../gate.js';
import { ourSide } from '../our-program.js';
import { processorEnvironment } from '../processor-environment.js';
import type { Contest, GateAnswer, Row } from '../row.js';
import { normOf, normOfDifference } from '../statistics.js';
import { type Precision, readFloats, type TrainingCase, type TrainingKind, writeTrainingCase } from '../training-case.js';

/** Largest relative differences that pass. */
interface Tolerance {
  /** Of a loss, or of the logits as a whole. */
  readonly value: number;
  /** Of the change of one tensor of parameters in the first step, as a norm. */
  readonly update: number;
}

const TOLERANCES: Readonly<Record<Precision, Tolerance>> = {
  fp32: { value: 1e-4, update: 2e-2 },
  // Gradients of the first layers are that far from those in fp32 in PyTorch too, and each library rounds elsewhere.
  bf16: { value: 1e-2, update: 0.6 },
};

interface TrainingRow {
  readonly name: string;
  readonly what: string;
  readonly kind: TrainingKind;
  readonly precision: Precision;
}

const ROWS: readonly TrainingRow[] = [
  { name: 'kd-step', kind: 'kd-step', precision: 'fp32', what: 'ResNet-56 forward, folded, and a KD step of ResNet-20; fp32' },
  { name: 'kd-step-bf16', kind: 'kd-step', precision: 'bf16', what: 'the same in bf16, against autocast' },
  { name: 'teacher-forward', kind: 'teacher-forward', precision: 'fp32', what: 'ResNet-56 forward, folded; fp32' },
  { name: 'student-step', kind: 'student-step', precision: 'fp32', what: 'a step of ResNet-20 with labels alone; fp32' },
];

export const trainingRows: readonly Row[] = ROWS.map(({ name, what, kind, precision }) => ({
  name,
  what,
  warmUp: 20,
  async prepare(settings) {
    if (settings.torch === null) return NO_TORCH;
    const training = await writeTrainingCase({ ...settings, kind, precision });
    const anchor = (variant: string) =>
      pythonSide(settings, {
        label: `PyTorch ${variant}`,
        script: 'torch_train.py',
        args: [settings.folder, variant],
        imagesPerStep: settings.batch,
        env: processorEnvironment(precision),
      });
    return {
      ours: ourSide(settings, 'tensorflow'),
      anchors: [anchor('eager'), anchor('compile')],
      compare: (ours, anchor) => compareAnswers({ training, ours, anchor }),
    } satisfies Contest;
  },
}));

interface Comparison {
  readonly training: TrainingCase;
  readonly ours: GateAnswer;
  readonly anchor: GateAnswer;
}

/** What differs more than it may, or null. */
function compareAnswers({ training, ours, anchor }: Comparison): string | null {
  const tolerance = TOLERANCES[training.precision];
  const numbers = compareNumbers(ours.numbers, anchor.numbers, tolerance.value);
  if (numbers !== null) return numbers;
  const arrayOf = (answer: GateAnswer, name: string) => readFloats(answer.arrays[name] ?? '');
  if (training.kind === 'teacher-forward') {
    const logits = arrayOf(anchor, 'logits');
    const distance = normOfDifference(arrayOf(ours, 'logits'), logits) / normOf(logits);
    return distance <= tolerance.value ? null : `the logits differ by ${distance.toExponential(1)} of their norm`;
  }
  return compareUpdates(training.student.schema.entries, {
    start: readFloats(training.student.arena),
    ours: arrayOf(ours, 'parameters'),
    anchor: arrayOf(anchor, 'parameters'),
    tolerance: tolerance.update,
  });
}
