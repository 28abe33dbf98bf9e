/** The attention map of a feature map in float64, as its formula is written in the paper: plain arrays, loops. */

import type { Plain } from './plain-tensor.js';
import { pooledAt } from './pooling-reference.js';

export interface AttentionOptions {
  readonly p: number;
  readonly height: number;
  readonly width: number;
}

/** The attention of maps [B, H, W, C]: for each sample a unit vector of height * width numbers. */
export function attentionOf(maps: Plain, { p, height, width }: AttentionOptions): number[] {
  const [size = 0, , , channels = 0] = maps.shape;
  const pooled = pooledAt(maps, { height, width });
  return Array.from({ length: size }, (_, b) => {
    const energies: number[] = [];
    for (let i = 0; i < height; i++) {
      for (let j = 0; j < width; j++) {
        let energy = 0;
        for (let c = 0; c < channels; c++) energy += Math.abs(pooled(b, i, j, c)) ** p / channels;
        energies.push(energy);
      }
    }
    const norm = Math.max(1e-12, Math.sqrt(energies.reduce((sum, energy) => sum + energy ** 2, 0)));
    return energies.map((energy) => energy / norm);
  }).flat();
}
