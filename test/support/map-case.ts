/** Inputs of losses over feature maps. */

import type { Prng } from '../../src/base/prng.js';
import type { LossCase } from './loss-suite.js';
import { type Plain, somePlain } from './plain-tensor.js';

type MapShape = readonly [height: number, width: number, channels: number];

/** Random maps of the student and the teacher, by pairs. */
export function maps(
  pairs: readonly (readonly [MapShape, MapShape])[],
  more: Partial<LossCase> = {},
): (random: Prng, size: number) => LossCase {
  return (random, size) => ({
    classes: 2,
    labels: Array.from({ length: size }, () => 0),
    student: pairs.map(([own]) => somePlain(random, [size, ...own])),
    other: pairs.map(([, teacher]) => somePlain(random, [size, ...teacher])),
    ...more,
  });
}

/** A batch of maps with these numbers. */
export const plainMap = (height: number, width: number, channels: number, data: readonly number[]): Plain => ({
  shape: [data.length / (height * width * channels), height, width, channels],
  data,
});
