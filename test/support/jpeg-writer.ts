/**
 * A JPEG encoder for tests (ITU-T T.81): baseline, RGB without a transform of colours, one quantiser step for all, and Huffman codes of one
 * length. Its files are large, and made in a moment.
 */

export interface Picture {
  readonly height: number;
  readonly width: number;
  /** [H, W, 3] */
  readonly pixels: Uint8Array;
}

/** The quantiser step: of 255 levels it loses few. */
const STEP = 4;
/** In the order of the zigzag, the place of each coefficient in its block of 8 x 8. */
const ZIGZAG = Array.from({ length: 64 }, (_, i) => i).sort((a, b) => diagonalOf(a) - diagonalOf(b) || wayOf(a) - wayOf(b));
/** [frequency, place]: the cosines of the transform. */
const COSINES = Array.from({ length: 8 }, (_, u) =>
  Array.from({ length: 8 }, (_, x) => (u === 0 ? Math.SQRT1_2 : 1) * 0.5 * Math.cos(((2 * x + 1) * u * Math.PI) / 16)),
);
/** All pairs of a run of zeros and a number of bits; each symbol's code is its place, in 8 bits. */
const AC_SYMBOLS = Array.from({ length: 16 * 11 }, (_, i) => 16 * Math.floor(i / 11) + (i % 11));
/** The numbers of bits of a difference; each code has 4 bits. */
const DC_SYMBOLS = Array.from({ length: 12 }, (_, i) => i);

function diagonalOf(place: number): number {
  return (place >> 3) + (place & 7);
}

function wayOf(place: number): number {
  return diagonalOf(place) % 2 === 0 ? place & 7 : place >> 3;
}

/** The bytes of a JPEG file. */
export function jpegBytes({ height, width, pixels }: Picture): Buffer {
  const word = (value: number) => [value >> 8, value & 255];
  const segment = (marker: number, content: readonly number[]) => [0xff, marker, ...word(content.length + 2), ...content];
  const lengths = (bits: number, count: number) => Array.from({ length: 16 }, (_, i) => (i + 1 === bits ? count : 0));
  const parts = [0, 1, 2];
  return Buffer.from([
    ...[0xff, 0xd8],
    // Adobe's marker: the three parts are red, green and blue.
    ...segment(0xee, [...Buffer.from('Adobe'), 0, 100, 0, 0, 0, 0, 0]),
    ...segment(0xdb, [0, ...new Array<number>(64).fill(STEP)]),
    ...segment(0xc0, [8, ...word(height), ...word(width), 3, ...parts.flatMap((part) => [part, 0x11, 0])]),
    ...segment(0xc4, [0x00, ...lengths(4, DC_SYMBOLS.length), ...DC_SYMBOLS]),
    ...segment(0xc4, [0x10, ...lengths(8, AC_SYMBOLS.length), ...AC_SYMBOLS]),
    ...segment(0xda, [3, ...parts.flatMap((part) => [part, 0]), 0, 63, 0]),
    ...scanOf({ height, width, pixels }),
    ...[0xff, 0xd9],
  ]);
}

function scanOf({ height, width, pixels }: Picture): readonly number[] {
  const bits = new Bits();
  const last = [0, 0, 0];
  for (let top = 0; top < height; top += 8) {
    for (let left = 0; left < width; left += 8) {
      for (let part = 0; part < 3; part++) {
        const block = Array.from({ length: 64 }, (_, i) => {
          const [y, x] = [Math.min(height - 1, top + (i >> 3)), Math.min(width - 1, left + (i & 7))];
          return pixels[(y * width + x) * 3 + part]! - 128;
        });
        const coefficients = transform(block);
        writeBlock(bits, coefficients, last[part]!);
        last[part] = coefficients[0]!;
      }
    }
  }
  return bits.end();
}

function transform(block: readonly number[]): readonly number[] {
  const across = Array.from({ length: 64 }, (_, i) => COSINES[i & 7]!.reduce((sum, cosine, x) => sum + cosine * block[(i & 56) + x]!, 0));
  return Array.from({ length: 64 }, (_, i) =>
    Math.round(COSINES[i >> 3]!.reduce((sum, cosine, y) => sum + cosine * across[8 * y + (i & 7)]!, 0) / STEP),
  );
}

function writeBlock(bits: Bits, coefficients: readonly number[], last: number): void {
  const difference = coefficients[0]! - last;
  bits.add(bitsOf(difference), 4);
  bits.addValue(difference);
  let zeros = 0;
  for (const place of ZIGZAG.slice(1)) {
    const value = coefficients[place]!;
    if (value === 0) zeros++;
    else {
      for (; zeros > 15; zeros -= 16) bits.add(AC_SYMBOLS.indexOf(0xf0), 8);
      bits.add(AC_SYMBOLS.indexOf(16 * zeros + bitsOf(value)), 8);
      bits.addValue(value);
      zeros = 0;
    }
  }
  if (zeros > 0) bits.add(AC_SYMBOLS.indexOf(0), 8);
}

/** The number of bits of a value. */
function bitsOf(value: number): number {
  return value === 0 ? 0 : 32 - Math.clz32(Math.abs(value));
}

class Bits {
  readonly #bytes: number[] = [];
  #held = 0;
  #count = 0;

  add(value: number, count: number): void {
    for (let bit = count - 1; bit >= 0; bit--) {
      this.#held = 2 * this.#held + ((value >> bit) & 1);
      this.#count += 1;
      if (this.#count === 8) this.#flush();
    }
  }

  /** A value in as few bits as it has; of a negative one, the bits that are not in it. */
  addValue(value: number): void {
    const count = bitsOf(value);
    this.add(value < 0 ? value + (1 << count) - 1 : value, count);
  }

  /** All bytes; the last one is filled up with ones. */
  end(): readonly number[] {
    while (this.#count > 0) this.add(1, 1);
    return this.#bytes;
  }

  #flush(): void {
    this.#bytes.push(this.#held);
    if (this.#held === 255) this.#bytes.push(0);
    this.#held = 0;
    this.#count = 0;
  }
}
