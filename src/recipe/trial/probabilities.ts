/** Whether the outputs of a model are probabilities, found by their numbers. Pure. */

/** Sums of float32 are as near to 1 as this. */
const TOLERANCE = 1e-4;

/** Says that the outputs, `rows` rows of logits, are probabilities: no number is negative, and each row adds up to 1. Null when they are not. */
export function describeProbabilities(logits: Float32Array, rows: number): string | null {
  const classes = logits.length / rows;
  if (classes < 2 || logits.some((logit) => logit < 0)) return null;
  for (let row = 0; row < rows; row++) {
    const sum = logits.subarray(row * classes, (row + 1) * classes).reduce((total, logit) => total + logit, 0);
    if (Math.abs(sum - 1) > TOLERANCE) return null;
  }
  return 'the outputs are probabilities: none is negative and each row adds up to 1. The losses take logits';
}
