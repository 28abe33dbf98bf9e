/** Decoded pixels, and the limits of their number. */

/** An image in memory that is only lent: it may change when the next image is decoded. */
export interface RgbImage {
  readonly height: number;
  readonly width: number;
  /** [H, W, 3], row-major: a byte each for red, green and blue. */
  readonly pixels: Uint8Array;
  /** Whether the decoder met data that break the rules of the format, and went on as other programs do: some pixels may be wrong. */
  readonly isDoubtful: boolean;
}

/** The most pixels of an image: 64 times a million, some 200 MB when it is decoded. A header that claims more counts as broken. */
export const PIXELS_MAX = 64e6;

/** The most bytes of the file of an image, and of its values before they become RGB: four for each of {@link PIXELS_MAX}. */
export const CODED_BYTES_MAX = 4 * PIXELS_MAX;
