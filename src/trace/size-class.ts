/**
 * The batch size that a request of `rows` rows is padded to: at most an eighth more, and exact up to 16. So few sizes
 * need a graph of their own, and little is computed for nothing. Rows count from 1.
 */
export function sizeClass(rows: number): number {
  const step = 2 ** Math.max(0, Math.floor(Math.log2(rows)) - 3);
  return Math.ceil(rows / step) * step;
}
