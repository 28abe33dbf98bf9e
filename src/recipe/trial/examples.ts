/** Samples of a split, for a trial. Pure. */

import type { LabelledImages } from '../../data/sample-source.js';

/** The samples of a step. */
export const BATCH = 2;
/** The most steps of a model: one is enough, unless a layer has no gradient in it. */
export const STEPS_MAX = 3;

/** Samples for all steps, a copy: each step takes the next `BATCH` of them. Those of a step lie far apart, because files may be sorted by class. */
export function examplesOf(images: LabelledImages): LabelledImages {
  const { height, width, channels, classes, count } = images;
  const bytes = height * width * channels;
  const places = Array.from({ length: STEPS_MAX * BATCH }, (_, i) => {
    const [step, within] = [Math.floor(i / BATCH), i % BATCH];
    return Math.floor(((step + within * STEPS_MAX) * count) / (STEPS_MAX * BATCH));
  });
  const pixels = new Uint8Array(places.length * bytes);
  places.forEach((place, i) => {
    pixels.set(images.pixels.subarray(place * bytes, (place + 1) * bytes), i * bytes);
  });
  const labels = Int32Array.from(places, (place) => images.labels[place] ?? 0);
  return { height, width, channels, classes, count: places.length, pixels, labels };
}
