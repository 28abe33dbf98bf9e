/** Adaptive average pooling in float64, as PyTorch has it: plain arrays, loops. */

import type { Plain } from './plain-tensor.js';

/** The mean of part (i, j), of `height` times `width` parts of each map of [B, H, W, C], for sample b and channel c. */
export function pooledAt({ shape, data }: Plain, { height, width }: { readonly height: number; readonly width: number }) {
  const [, fullHeight = 0, fullWidth = 0, channels = 0] = shape;
  const at = (b: number, y: number, x: number, c: number): number => data[((b * fullHeight + y) * fullWidth + x) * channels + c]!;
  return (b: number, i: number, j: number, c: number): number => {
    const [top, bottom] = windowOf(i, fullHeight, height);
    const [left, right] = windowOf(j, fullWidth, width);
    let sum = 0;
    for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) sum += at(b, y, x, c);
    return sum / ((bottom - top) * (right - left));
  };
}

/** Where the i-th of `to` parts of an axis of `from` begins and ends. */
function windowOf(i: number, from: number, to: number): readonly [number, number] {
  return [Math.floor((i * from) / to), Math.ceil(((i + 1) * from) / to)];
}
