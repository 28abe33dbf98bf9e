/**
 * The calibration of a model: how far the probability of its answer is from the share of answers that are right. The expected calibration
 * error (Guo et al. 2017, arXiv 1706.04599, equation 3, 15 bins), as the logits are and at the temperature that fits them best.
 *
 * A temperature that is chosen on the rows that it is judged on looks better than it is. So the even rows of a split choose it, by their
 * cross-entropy, and the odd rows give both errors. Workers test parts of a split: their sums add up. Pure, on plain arrays.
 */

import { assert } from './assert.js';

/** The temperatures that are tried: 1/4 to 16, each 19 % above the one before. */
export const TEMPERATURES: readonly number[] = Array.from({ length: 25 }, (_, i) => 2 ** (i / 4 - 2));

const BINS = 15;
const AS_IT_IS = TEMPERATURES.indexOf(1);

/** The sums over rows. They are finite where the logits are. */
export interface CalibrationSums {
  /** For each temperature, the cross-entropy of the even rows. */
  readonly losses: readonly number[];
  /** For each temperature, and each bin of the answers' probabilities, over the odd rows: probabilities less hits. */
  readonly gaps: readonly number[];
  /** The number of odd rows. */
  readonly judged: number;
}

export interface Calibration {
  /** The expected calibration error of the logits as they are, 0 to 1. */
  readonly error: number;
  /** The temperature that fits best, and the error of the logits over it. */
  readonly temperature: number;
  readonly errorAtTemperature: number;
}

/** The lengths of the two lists. */
export const CALIBRATION_SIZES = { losses: TEMPERATURES.length, gaps: TEMPERATURES.length * BINS } as const;

/** The sums over no rows. */
export const NO_SUMS: CalibrationSums = {
  losses: new Array<number>(CALIBRATION_SIZES.losses).fill(0),
  gaps: new Array<number>(CALIBRATION_SIZES.gaps).fill(0),
  judged: 0,
};

/** The sums of two parts of a split together. */
export function addSums(a: CalibrationSums, b: CalibrationSums): CalibrationSums {
  const add = (left: readonly number[], right: readonly number[]) => left.map((value, i) => value + (right[i] ?? 0));
  return { losses: add(a.losses, b.losses), gaps: add(a.gaps, b.gaps), judged: a.judged + b.judged };
}

/** The sums over rows of finite logits [B, K] with labels [B]. The first row is row `start` of its split. */
export function calibrationSums(logits: Float32Array, labels: Int32Array, start: number): CalibrationSums {
  const classes = logits.length / labels.length;
  const losses = [...NO_SUMS.losses];
  const gaps = [...NO_SUMS.gaps];
  let judged = 0;
  for (const [row, label] of labels.entries()) {
    const own = logits.subarray(row * classes, (row + 1) * classes);
    const largest = own.reduce((most, logit) => Math.max(most, logit));
    const isHit = own.indexOf(largest) === label;
    const isJudged = (start + row) % 2 === 1;
    if (isJudged) judged++;
    for (const [i, temperature] of TEMPERATURES.entries()) {
      const sum = own.reduce((total, logit) => total + Math.exp((logit - largest) / temperature), 0);
      if (isJudged) {
        // The largest probability is exp(0) / sum, from 1 / K to 1.
        const bin = Math.min(BINS - 1, Math.floor(BINS / sum));
        gaps[i * BINS + bin]! += 1 / sum - (isHit ? 1 : 0);
      } else losses[i]! += Math.log(sum) + (largest - own[label]!) / temperature;
    }
  }
  return { losses, gaps, judged };
}

/** The calibration of a split whose sums these are; null where it has no odd row. */
export function calibrationOf({ losses, gaps, judged }: CalibrationSums): Calibration | null {
  assert(losses.length === CALIBRATION_SIZES.losses && gaps.length === CALIBRATION_SIZES.gaps, 'sums of other temperatures or bins');
  if (judged === 0) return null;
  const errorAt = (i: number) => gaps.slice(i * BINS, (i + 1) * BINS).reduce((sum, gap) => sum + Math.abs(gap), 0) / judged;
  const best = losses.indexOf(Math.min(...losses));
  return { error: errorAt(AS_IT_IS), temperature: TEMPERATURES[best] ?? 1, errorAtTemperature: errorAt(best) };
}
