/**
 * The batch size that a request of `rows` rows (1 or more) is padded to: at most an eighth more, and exact up to 16. So only
 * few sizes need a graph of their own, and little padding is computed.
 */
export function sizeClass(rows: number): number {
  const step = 2 ** Math.max(0, Math.floor(Math.log2(rows)) - 3);
  return Math.ceil(rows / step) * step;
}
