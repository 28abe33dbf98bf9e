/** The attention map of a feature map in float64, as its formula is written in the paper: plain arrays, loops. */

import type { Plain } from './plain-tensor.js';

export interface AttentionOptions {
  readonly p: number;
  readonly height: number;
  readonly width: number;
}

/** The attention of maps [B, H, W, C]: for each sample a unit vector of height * width numbers. */
export function attentionOf({ shape, data }: Plain, { p, height, width }: AttentionOptions): number[] {
  const [size = 0, fullHeight = 0, fullWidth = 0, channels = 0] = shape;
  return Array.from({ length: size }, (_, b) => {
    const at = (y: number, x: number, c: number): number => data[((b * fullHeight + y) * fullWidth + x) * channels + c]!;
    const energies: number[] = [];
    for (let i = 0; i < height; i++) {
      for (let j = 0; j < width; j++) {
        const [top, bottom] = windowOf(i, fullHeight, height);
        const [left, right] = windowOf(j, fullWidth, width);
        let energy = 0;
        for (let c = 0; c < channels; c++) {
          let sum = 0;
          for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) sum += at(y, x, c);
          energy += Math.abs(sum / ((bottom - top) * (right - left))) ** p / channels;
        }
        energies.push(energy);
      }
    }
    const norm = Math.max(1e-12, Math.sqrt(energies.reduce((sum, energy) => sum + energy ** 2, 0)));
    return energies.map((energy) => energy / norm);
  }).flat();
}

/** Where the i-th of `to` parts of an axis of `from` begins and ends, as PyTorch's adaptive pooling has it. */
function windowOf(i: number, from: number, to: number): readonly [number, number] {
  return [Math.floor((i * from) / to), Math.ceil(((i + 1) * from) / to)];
}
