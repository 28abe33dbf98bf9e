/**
 * Changes of an image's colours, with Pillow's arithmetic to the bit: brightness, contrast, saturation, hue and sharpness (ImageEnhance, and
 * torchvision's adjust_hue), and posterise, solarise, autocontrast and equalise (ImageOps). They change the image in place. Images of another number
 * of channels than three have no colours: saturation and hue leave them as they are, as Pillow does with grey ones.
 */

/** Bytes of one image, row-major, from the first byte on. */
export interface Bitmap {
  readonly pixels: Uint8Array;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

const { fround } = Math;

/** A change by a factor: 1 changes nothing, and 0 gives the extreme (black, grey, blurred). */
export type Enhancement = (image: Bitmap, factor: number) => void;

/** Towards black. */
export const brightness: Enhancement = ({ pixels }, factor) => {
  for (let i = 0; i < pixels.length; i++) pixels[i] = blend(0, pixels[i]!, factor);
};

/** Towards the mean grey of the whole image. */
export const contrast: Enhancement = (image, factor) => {
  const { pixels } = image;
  const grey = greyOf(image);
  const mean = Math.trunc(grey.reduce((sum, value) => sum + value, 0) / grey.length + 0.5);
  for (let i = 0; i < pixels.length; i++) pixels[i] = blend(mean, pixels[i]!, factor);
};

/** Towards each pixel's grey. */
export const saturation: Enhancement = (image, factor) => {
  if (image.channels !== 3) return;
  const { pixels } = image;
  const grey = greyOf(image);
  for (let i = 0; i < pixels.length; i++) pixels[i] = blend(grey[Math.trunc(i / 3)]!, pixels[i]!, factor);
};

/** Towards the image smoothed by a kernel of 3x3, whose border stays as it is. */
export const sharpness: Enhancement = (image, factor) => {
  const smoothed = smooth(image);
  const { pixels } = image;
  for (let i = 0; i < pixels.length; i++) pixels[i] = blend(smoothed[i]!, pixels[i]!, factor);
};

/** Turns the hues of all pixels by this share of the circle, from -0.5 to 0.5. */
export function turnHue({ pixels, channels }: Bitmap, turn: number): void {
  if (channels !== 3) return;
  const shift = Math.trunc(turn * 255);
  for (let i = 0; i < pixels.length; i += 3) {
    toHsv(pixels, i);
    pixels[i] = pixels[i]! + shift;
    fromHsv(pixels, i);
  }
}

/** Keeps the upper bits of each value. */
export function posterise({ pixels }: Bitmap, bits: number): void {
  const mask = 256 - 2 ** (8 - bits);
  for (let i = 0; i < pixels.length; i++) pixels[i] = pixels[i]! & mask;
}

/** Inverts the values from the threshold on. */
export function solarise({ pixels }: Bitmap, threshold: number): void {
  for (let i = 0; i < pixels.length; i++) if (pixels[i]! >= threshold) pixels[i] = 255 - pixels[i]!;
}

/** Stretches each channel so that its least value becomes 0 and its greatest 255. */
export function autocontrast(image: Bitmap): void {
  mapChannels(image, (histogram) => {
    const [least, most] = [histogram.findIndex((count) => count > 0), histogram.findLastIndex((count) => count > 0)];
    if (most <= least) return null;
    const scale = 255 / (most - least);
    return (value) => Math.min(255, Math.max(0, Math.trunc(value * scale - least * scale)));
  });
}

/** Gives each channel a flat histogram, as far as its values allow. */
export function equalise(image: Bitmap): void {
  mapChannels(image, (histogram) => {
    const counts = histogram.filter((count) => count > 0);
    const step = Math.floor((image.height * image.width - counts.at(-1)!) / 255);
    if (counts.length <= 1 || step === 0) return null;
    let below = Math.floor(step / 2);
    const table = Array.from(histogram, (count) => {
      const value = Math.min(255, Math.floor(below / step));
      below += count;
      return value;
    });
    return (value) => table[value]!;
  });
}

/** Pillow's Image.blend in float32: a mean where the factor is within [0, 1], and otherwise its extension, cut off. */
function blend(extreme: number, value: number, factor: number): number {
  const mixed = fround(extreme + fround(fround(factor) * (value - extreme)));
  return mixed <= 0 ? 0 : mixed >= 255 ? 255 : Math.trunc(mixed);
}

/** [H * W]: the brightness of each pixel by ITU-R 601-2. */
function greyOf({ pixels, height, width, channels }: Bitmap): Uint8Array {
  if (channels !== 3) return pixels;
  const grey = new Uint8Array(height * width);
  for (let i = 0, from = 0; i < grey.length; i++, from += 3) {
    grey[i] = (pixels[from]! * 19595 + pixels[from + 1]! * 38470 + pixels[from + 2]! * 7471 + 0x8000) >> 16;
  }
  return grey;
}

/** Weight 5 for the pixel and 1 for its eight neighbours, over 13. */
function smooth({ pixels, height, width, channels }: Bitmap): Uint8Array {
  const out = pixels.slice();
  const row = width * channels;
  for (let y = 1; y < height - 1; y++) {
    for (let i = y * row + channels; i < (y + 1) * row - channels; i++) {
      let sum = 4 * pixels[i]!;
      for (const line of [i - row, i, i + row]) sum += pixels[line - channels]! + pixels[line]! + pixels[line + channels]!;
      out[i] = Math.trunc(sum / 13 + 0.5);
    }
  }
  return out;
}

/** Maps the values of each channel by a function that follows from their histogram; null leaves the channel as it is. */
function mapChannels({ pixels, channels }: Bitmap, mapOf: (histogram: readonly number[]) => ((value: number) => number) | null): void {
  for (let channel = 0; channel < channels; channel++) {
    const histogram = new Array<number>(256).fill(0);
    for (let i = channel; i < pixels.length; i += channels) histogram[pixels[i]!]! += 1;
    const map = mapOf(histogram);
    if (map === null) continue;
    const table = Uint8Array.from(histogram, (_, value) => map(value));
    for (let i = channel; i < pixels.length; i += channels) pixels[i] = table[pixels[i]!]!;
  }
}

/**
 * Pillow's conversion of the pixel at `i` to bytes of hue, saturation and value, in place; each number that it keeps is rounded to float32.
 */
function toHsv(pixels: Uint8Array, i: number): void {
  const [r, g, b] = [pixels[i]!, pixels[i + 1]!, pixels[i + 2]!];
  const most = Math.max(r, g, b);
  const range = most - Math.min(r, g, b);
  pixels[i + 2] = most;
  if (range === 0) {
    pixels[i] = 0;
    pixels[i + 1] = 0;
    return;
  }
  const [fromR, fromG, fromB] = [fround((most - r) / range), fround((most - g) / range), fround((most - b) / range)];
  const sixths = fround(r === most ? fromB - fromG : g === most ? 2 + fromR - fromB : 4 + fromG - fromR);
  pixels[i] = Math.trunc(fround((sixths / 6 + 1) % 1) * 255);
  pixels[i + 1] = Math.trunc(fround(range / most) * 255);
}

/** The way back. */
function fromHsv(pixels: Uint8Array, i: number): void {
  const [h, s, v] = [pixels[i]!, pixels[i + 1]!, pixels[i + 2]!];
  const hue = fround((h * 6) / 255);
  const share = fround(s / 255);
  const sixth = Math.floor(hue) % 6;
  const rest = fround(hue - Math.floor(hue));
  // The values of a falling and a rising channel, and of the least one.
  const [falling, rising, least] = [
    Math.round(v * (1 - share * rest)),
    Math.round(v * (1 - share * (1 - rest))),
    Math.round(v * (1 - share)),
  ];
  pixels[i] = sixth === 0 || sixth === 5 ? v : sixth === 1 ? falling : sixth === 4 ? rising : least;
  pixels[i + 1] = sixth === 1 || sixth === 2 ? v : sixth === 3 ? falling : sixth === 0 ? rising : least;
  pixels[i + 2] = sixth === 3 || sixth === 4 ? v : sixth === 5 ? falling : sixth === 2 ? rising : least;
}
