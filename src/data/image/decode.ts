/** Coded images to RGB. The content decides which code it is: names often do not. */

import type { StillhouseError } from '../../errors/stillhouse-error.js';
import { damaged } from '../data-file.js';
import { JpegDecoder } from './jpeg.js';
import { isJpeg, readJpegHeader } from './jpeg-header.js';
import { checkPng, decodePng, isPng } from './png.js';
import type { RgbImage } from './rgb-image.js';

/** The beginnings of files that people take for JPEG or PNG, as text. */
const OTHERS = [
  [/^GIF8/, 'a GIF file'],
  [/^RIFF.{4}WEBP/s, 'a WebP file'],
  [/^BM/, 'a BMP file'],
  [/^(II\*\0|MM\0\*)/, 'a TIFF file'],
  [/^.{4}ftyp(avif|heic|heix|mif1)/s, 'an AVIF or HEIC file'],
  [/^\s*(<\?xml|<!DOCTYPE|<html|<svg)/i, 'a page of a website, or a drawing'],
  [/^version https:\/\/git-lfs/, 'a pointer of Git LFS in place of the file: fetch the file itself'],
] as const;
const HEAD_BYTES = 64;

/** Decodes images one after the other. It owns the memory of the last one. */
export class ImageDecoder {
  readonly #jpeg = new JpegDecoder();

  /** The pixels are lent until the next call. Throws data.damaged with the file, and a byte of it. */
  decode(file: string, bytes: Uint8Array): RgbImage {
    if (isJpeg(bytes)) return this.#jpeg.decode(file, bytes);
    if (isPng(bytes)) return decodePng(file, bytes);
    throw noImage(file, bytes);
  }
}

/**
 * Checks a file as far as that takes no decoding: it is JPEG or PNG, of a kind that is decoded, with a possible size, and it is not cut short. It takes a
 * hundredth of the time that decoding takes. Throws data.damaged.
 */
export function checkCoded(file: string, bytes: Uint8Array): void {
  if (isJpeg(bytes)) readJpegHeader(file, bytes);
  else if (isPng(bytes)) checkPng(file, bytes);
  else throw noImage(file, bytes);
}

function noImage(file: string, bytes: Uint8Array): StillhouseError {
  if (bytes.length === 0) return damaged(file, 0, 'is empty');
  const head = Buffer.from(bytes.subarray(0, HEAD_BYTES)).toString('latin1');
  const other = OTHERS.find(([pattern]) => pattern.test(head))?.[1];
  return damaged(file, 0, other === undefined ? 'is no image: it begins neither as JPEG nor as PNG' : `is ${other}; JPEG and PNG are read`);
}
