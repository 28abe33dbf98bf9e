/** A part whose format is read whole: its samples lie in memory. */

import type { DataRecipe, SplitRecipe } from '../config/schema.js';
import { sourceOf } from './data-location.js';
import { fingerprintKey } from './fingerprint-cache.js';
import type { ImagePart, ResidentFormat } from './format.js';
import type { LoadedPart, Part } from './part.js';
import { cutImages, residentSource, type SplitRange } from './resident-source.js';
import { countClasses, imageDigests, statisticsOf } from './statistics.js';

/** The part of this name of a recipe's data, in its format. Throws as {@link sourceOf} does. */
export function residentPart(recipe: DataRecipe, part: string, format: ResidentFormat): Part {
  const source = sourceOf(recipe, part);
  return {
    summary: () => format.inspect(source),
    async cacheKey(split: SplitRecipe) {
      const { from, to = null } = split;
      const { folder: _, part: __, labels, ...settings } = source;
      const own = Object.keys(settings).length === 0 ? {} : { settings: JSON.stringify(settings) };
      return fingerprintKey({ format: recipe.format, labels, part, from, to, ...own }, await format.files(source));
    },
    load: async () => loadedPart(await format.read(source)),
  };
}

function loadedPart(images: ImagePart): LoadedPart {
  const { height, width, channels, classes, count, files } = images;
  const cut = (range: SplitRange) => cutImages(images, range);
  return {
    ...{ height, width, channels, classes, count, files },
    source: (range) => residentSource(images, range),
    classCounts: (range) => countClasses(cut(range).labels, classes),
    digests: (range) => imageDigests(cut(range)),
    codedDigests: () => null,
    pick(range, samples) {
      const own = cut(range);
      const bytes = height * width * channels;
      const pixels = new Uint8Array(samples.length * bytes);
      samples.forEach((sample, i) => {
        pixels.set(own.pixels.subarray(sample * bytes, (sample + 1) * bytes), i * bytes);
      });
      const labels = Int32Array.from(samples, (sample) => own.labels[sample]!);
      return { height, width, channels, classes, count: samples.length, pixels, labels };
    },
    survey: async (ranges) => ({ statistics: ranges.map((range) => statisticsOf(cut(range))), doubtful: [] }),
  };
}
