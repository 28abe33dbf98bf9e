/**
 * The markers of a JPEG file (ITU-T T.81, annex B): its size and colours, and whether it is whole. It decodes no pixel. The decoder fills
 * what is missing with grey; so this is the check that nothing is.
 */

import { damaged } from '../data-file.js';
import { PIXELS_MAX } from './rgb-image.js';

export interface JpegHeader {
  readonly height: number;
  readonly width: number;
  /** 1: grey; 3: colours; 4: inks. */
  readonly components: 1 | 3 | 4;
}

const MARKER = { startOfImage: 0xd8, endOfImage: 0xd9, startOfScan: 0xda } as const;
/** The frames that are decoded: baseline, extended sequential and progressive, with Huffman codes. */
const FRAMES = [0xc0, 0xc1, 0xc2];
/** Lossless, hierarchical and arithmetic-coded ones. */
const OTHER_FRAMES = [0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf];

/**
 * The most scans of an image. A progressive file has some ten. Each may be a hundred bytes long and still take as long as all pixels do, so a file of many
 * would stop a thread for hours.
 */
const SCANS_MAX = 500;

/** Whether the bytes begin as a JPEG file does. */
export function isJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && bytes[1] === MARKER.startOfImage && bytes[2] === 0xff;
}

/** Reads the header of a file that begins as JPEG does. Throws data.damaged when it has no such header, or two, is of a kind that is not decoded, or does not reach its end marker. */
export function readJpegHeader(file: string, bytes: Uint8Array): JpegHeader {
  let header: JpegHeader | null = null;
  let scans = 0;
  for (let at = nextMarker(bytes, 2); at < bytes.length; at = nextMarker(bytes, at)) {
    const marker = bytes[at + 1]!;
    if (marker === MARKER.endOfImage) {
      if (header === null || scans === 0) throw damaged(file, at, 'is a JPEG file without an image');
      return header;
    }
    const content = at + 4;
    const length = isAlone(marker) ? 0 : content <= bytes.length ? wordAt(bytes, at + 2) : Number.POSITIVE_INFINITY;
    if (!isAlone(marker) && length < 2) throw damaged(file, at, `a segment of its header has a length of ${length}`);
    if (at + 2 + length > bytes.length) break;
    if (FRAMES.includes(marker)) {
      // The decoder takes the first, and would fill an image of its size.
      if (header !== null) throw damaged(file, at, 'has a second image before the end of the first');
      header = readFrame(file, bytes.subarray(0, at + 2 + length), content);
    } else if (OTHER_FRAMES.includes(marker)) {
      throw damaged(
        file,
        at,
        `is a JPEG file of a rare kind (marker 0x${marker.toString(16)}), which is not read: save it as baseline or progressive`,
      );
    }
    if (marker === MARKER.startOfScan && ++scans > SCANS_MAX) throw damaged(file, at, `has more than ${SCANS_MAX} scans`);
    at += 2 + length;
  }
  throw damaged(file, bytes.length, `cut short: it ends in its ${scans > 0 ? 'image data' : 'header'}`);
}

/** The place of the next marker from `from` on: 0xff and a byte that is none of the image data; the end of the file when there is none. */
function nextMarker(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(0xff, from); at >= 0 && at + 1 < bytes.length; at = bytes.indexOf(0xff, at + 1)) {
    const next = bytes[at + 1]!;
    const isRestart = 0xd0 <= next && next <= 0xd7;
    if (next !== 0 && next !== 0xff && !isRestart) return at;
  }
  return bytes.length;
}

/** Whether the marker has no length after it. */
function isAlone(marker: number): boolean {
  return marker === MARKER.startOfImage || marker === 0x01;
}

/** `bytes` end where the segment ends. */
function readFrame(file: string, bytes: Uint8Array, at: number): JpegHeader {
  if (at + 6 > bytes.length) throw damaged(file, at, 'the segment with its size is too short');
  const [bits, components] = [bytes[at]!, bytes[at + 5]!];
  const [height, width] = [wordAt(bytes, at + 1), wordAt(bytes, at + 3)];
  if (bits !== 8) throw damaged(file, at, `has ${bits} bits for each value, and only 8 are read`);
  if (height === 0 || width === 0) throw damaged(file, at + 1, `its size is ${width} x ${height}`);
  if (height * width > PIXELS_MAX)
    throw damaged(file, at + 1, `its size is ${width} x ${height}, more than ${PIXELS_MAX / 1e6} million pixels`);
  if (components === 1 || components === 3 || components === 4) return { height, width, components };
  throw damaged(file, at + 5, `has ${components} colours, of which nothing is known`);
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 256 + bytes[at + 1]!;
}
