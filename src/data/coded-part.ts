/** A part whose samples are coded images in files: it holds their places, and decodes those that are asked for. */

import { setImmediate } from 'node:timers/promises';
import type { DataRecipe } from '../config/schema.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { baseImagesOf } from './base-image.js';
import { placeOf } from './coded-source.js';
import { sourceOf } from './data-location.js';
import { DIGEST_BYTES } from './digest-bytes.js';
import { DigestCache, type FileDigests } from './file-digests.js';
import { codedFingerprint } from './fingerprint.js';
import type { CodedFormat } from './format.js';
import type { ImageIndex } from './image-index.js';
import type { LoadedPart, Part } from './part.js';
import type { SplitRange } from './resident-source.js';
import { type CodedStore, type ImagePlaces, labelOf, type SampleSource } from './sample-source.js';
import { countClasses, PixelCount } from './statistics.js';

/** As all images are decoded. */
const CHANNELS = 3;

/** The part of this name of a recipe's data, in its format. Throws as {@link sourceOf} does, and recipe.invalid when the recipe does not say the size of images. */
export function codedPart(recipe: DataRecipe, part: string, format: CodedFormat): Part {
  const source = sourceOf(recipe, part);
  const { image } = recipe;
  if (image === undefined) {
    throw new StillhouseError('recipe.invalid', `data.image is missing: ${recipe.format} has images of any size`, {
      hint: 'Give the size that models see, as in image: { size: 224, resize: 256 }',
    });
  }
  const shapeOf = ({ classes }: ImageIndex) => ({ height: image.size, width: image.size, channels: CHANNELS, classes });
  return {
    async summary(cache) {
      const index = await format.index(source, cache.folder);
      const { count, classNames } = index;
      return { ...shapeOf(index), count, ...(classNames === undefined ? {} : { classNames }) };
    },
    cacheKey: async () => null,
    async load(cache) {
      const index = await format.index(source, cache.folder);
      const files = await new DigestCache(cache.digestFolder).of(index);
      return new LoadedCodedPart({ index, files, shape: shapeOf(index), resize: image.resize ?? image.size });
    },
  };
}

interface Loaded {
  readonly index: ImageIndex;
  readonly files: FileDigests;
  readonly shape: Pick<CodedStore, 'height' | 'width' | 'channels' | 'classes'>;
  readonly resize: number;
}

class LoadedCodedPart implements LoadedPart {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly classes: number;
  readonly count: number;
  readonly files: LoadedPart['files'];
  readonly #loaded: Loaded;

  constructor(loaded: Loaded) {
    const { index, shape } = loaded;
    this.#loaded = loaded;
    this.height = shape.height;
    this.width = shape.width;
    this.channels = shape.channels;
    this.classes = shape.classes;
    this.count = index.count;
    const { source: file, count: samples, leftOut, unpacked } = index;
    this.files = [{ file, samples, ...(leftOut === 0 ? {} : { leftOut }), ...(unpacked === undefined ? {} : { unpacked }) }];
  }

  source({ name, from, to }: SplitRange): SampleSource {
    const { index, files, shape, resize } = this.#loaded;
    const count = to - from;
    const labels = index.labels.subarray(from, to);
    const store: CodedStore = { kind: 'coded', name, ...shape, count, ...cutPlaces(index, files, { from, to }), labels, resize };
    const digests = files.digests.subarray(from * DIGEST_BYTES, to * DIGEST_BYTES);
    const fingerprint = async () => codedFingerprint({ count, classes: shape.classes, digests, labels });
    return { name, ...shape, count, store, label: (sample) => labelOf(store, sample), fingerprint };
  }

  classCounts({ from, to }: SplitRange): readonly number[] {
    return countClasses(this.#loaded.index.labels.subarray(from, to), this.classes);
  }

  digests({ from, to }: SplitRange): readonly string[] {
    const { digests } = this.#loaded.files;
    return Array.from({ length: to - from }, (_, i) =>
      Buffer.from(digests.subarray((from + i) * DIGEST_BYTES, (from + i + 1) * DIGEST_BYTES)).toString('base64'),
    );
  }

  codedDigests({ from, to }: SplitRange): Uint8Array {
    return this.#loaded.files.digests.subarray(from * DIGEST_BYTES, to * DIGEST_BYTES);
  }

  pick(range: SplitRange, samples: readonly number[]) {
    const { store } = this.source(range);
    const bytes = this.height * this.width * this.channels;
    const pixels = new Uint8Array(samples.length * bytes);
    const imageOf = baseImagesOf(store, { seed: 0, epoch: 0, augment: null });
    samples.forEach((sample, i) => {
      pixels.set(imageOf(sample).pixels, i * bytes);
    });
    const labels = Int32Array.from(samples, (sample) => labelOf(store, sample));
    return { ...this.#loaded.shape, count: samples.length, pixels, labels };
  }

  async survey(ranges: readonly SplitRange[]) {
    const { index } = this.#loaded;
    const { store } = this.source({ name: index.source, from: 0, to: this.count });
    const counts = ranges.map(() => new PixelCount(this.channels));
    const doubtful: string[] = [];
    const imageOf = baseImagesOf(store, { seed: 0, epoch: 0, augment: null }, (sample, { isDoubtful }) => {
      if (isDoubtful) doubtful.push(placeOf(index, sample));
    });
    for (let sample = 0; sample < this.count; sample++) {
      const { pixels } = imageOf(sample);
      ranges.forEach(({ from, to }, i) => {
        if (from <= sample && sample < to) counts[i]!.add(pixels);
      });
      await setImmediate();
    }
    return { statistics: counts.map((count) => count.statistics()), doubtful };
  }
}

/** The files of a range of samples; all files, where they have many samples each. */
function cutPlaces(
  { folder, names, offsets, pieces }: ImageIndex,
  { sizes, times }: FileDigests,
  { from, to }: Omit<SplitRange, 'name'>,
): Pick<CodedStore, keyof ImagePlaces | 'sizes' | 'times'> {
  if (pieces === null) {
    const own = { offsets: offsets.subarray(from, to + 1), sizes: sizes.subarray(from, to), times: times.subarray(from, to) };
    return { folder, names, ...own, pieces };
  }
  const [files, starts, lengths] = [pieces.files.subarray(from, to), pieces.starts.subarray(from, to), pieces.lengths.subarray(from, to)];
  return { folder, names, offsets, sizes, times, pieces: { files, starts, lengths } };
}
