/** Means, deviations and paired margins over the seeds of a table. Pure. */

/** The mean of some values, and their standard deviation (n - 1); null for one value, which has none. */
export interface Spread {
  readonly mean: number;
  readonly deviation: number | null;
}

/** The outcome of the test. `noise`: the values do not show a difference. */
export type Verdict = 'gain' | 'drop' | 'noise';

/** The differences between two stages, seed by seed. */
export interface PairedMargin extends Spread {
  /** The number of seeds with a difference above 0. */
  readonly positive: number;
  readonly seeds: number;
  /** The outcome of a paired t test at 5 %, on both sides; null for one seed, which shows nothing. */
  readonly verdict: Verdict | null;
}

/** The critical values of Student's t at 5 % on both sides, for 1 to 30 degrees of freedom. With more, the last one is slightly strict. */
const CRITICAL_T: readonly number[] = [
  ...[12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228],
  ...[2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11, 2.101, 2.093, 2.086],
  ...[2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042],
];
/** Accuracies are counts of images: a smaller difference is one of rounding. */
const ROUNDING = 1e-12;

/** The spread of at least one value. */
export function spreadOf(values: readonly number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length < 2) return { mean, deviation: null };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / (values.length - 1)) };
}

/** The margin of values over the reference's values of the same seeds, in the same order. At least one. */
export function pairedMargin(values: readonly number[], reference: readonly number[]): PairedMargin {
  const differences = values.map((value, i) => value - (reference[i] ?? Number.NaN));
  const spread = spreadOf(differences);
  const positive = differences.filter((difference) => difference > ROUNDING).length;
  return { ...spread, positive, seeds: values.length, verdict: judge(spread, values.length) };
}

function judge({ mean, deviation }: Spread, count: number): Verdict | null {
  if (deviation === null) return null;
  const critical = CRITICAL_T[Math.min(count - 1, CRITICAL_T.length) - 1] ?? Number.POSITIVE_INFINITY;
  if (Math.abs(mean) <= Math.max(ROUNDING, (critical * deviation) / Math.sqrt(count))) return 'noise';
  return mean > 0 ? 'gain' : 'drop';
}

/** The middle one of the values, or the mean of the two in the middle; null for none. */
export function medianOf(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)] ?? 0, sorted[Math.floor(sorted.length / 2)] ?? 0];
  return (low + high) / 2;
}
