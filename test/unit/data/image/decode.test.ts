/** Decoding against Pillow's pixels, and files that are no images, or broken ones. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { checkCoded, ImageDecoder } from '../../../../src/data/image/decode.js';
import { messageOf } from '../../../../src/errors/stillhouse-error.js';
import { failureIn } from '../../../support/coded-image.js';

interface Case {
  readonly name: string;
  readonly file: string;
  readonly height: number;
  readonly width: number;
  readonly pixels: string;
}

const golden: { readonly cases: readonly Case[] } = JSON.parse(readFileSync(new URL('golden/decode.json', import.meta.url), 'utf8'));
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
const fileOf = (name: RegExp) => bytesOf(golden.cases.find((known) => name.test(known.name))!.file);
const JPEG = fileOf(/baseline, chroma in quarters/);
const PNG = fileOf(/^PNG, 8 bits/);

test.each(golden.cases)('$name: the pixels are those of Pillow', ({ file, height, width, pixels }) => {
  const image = new ImageDecoder().decode('a file', bytesOf(file));
  expect(image).toMatchObject({ height, width, isDoubtful: false });
  const expected = bytesOf(pixels);
  expect(image.pixels.length).toBe(expected.length);
  expect(Math.max(...image.pixels.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThanOrEqual(1);
});

test('one decoder reads one file after the other, also after a broken one', () => {
  const decoder = new ImageDecoder();
  const alone = golden.cases.map(({ file }) => new ImageDecoder().decode('a file', bytesOf(file)).pixels.slice());
  for (let round = 0; round < 2; round++) {
    golden.cases.forEach(({ file }, i) => {
      expect(decoder.decode('a file', bytesOf(file)).pixels).toEqual(alone[i]);
      expect(() => decoder.decode('a file', changed(JPEG, place(JPEG, 0xc4) + 4, ...Array(16).fill(0xff)))).toThrow('cannot be decoded');
    });
  }
});

/** The place of a JPEG marker. */
const place = (bytes: Uint8Array, marker: number) => bytes.findIndex((byte, i) => byte === 0xff && bytes[i + 1] === marker);
const changed = (bytes: Uint8Array, at: number, ...values: number[]) => {
  const copy = bytes.slice();
  copy.set(values, at);
  return copy;
};
const text = (content: string) => new TextEncoder().encode(content);
const scanAt = (bytes: Uint8Array) => place(bytes, 0xda);
/** The scan of a baseline file, with its header. */
const scanOf = (bytes: Uint8Array) => bytes.subarray(scanAt(bytes), bytes.length - 2);
const withScans = (bytes: Uint8Array, count: number) =>
  Buffer.concat([bytes.subarray(0, scanAt(bytes)), ...Array<Uint8Array>(count).fill(scanOf(bytes)), bytes.subarray(bytes.length - 2)]);
/** A frame of 3 x 3 pixels of one colour before the end marker. */
const withSecondFrame = (bytes: Uint8Array) =>
  Buffer.concat([bytes.subarray(0, -2), Buffer.of(0xff, 0xc0, 0, 11, 8, 0, 3, 0, 3, 1, 1, 0x11, 0), bytes.subarray(-2)]);
/** A PNG file that claims 8000 x 8000 pixels of four values of 16 bits. */
function hugePng(): Uint8Array {
  const bytes = Buffer.from(PNG);
  bytes.writeUInt32BE(8000, 16);
  bytes.writeUInt32BE(8000, 20);
  bytes.set([16, 6, 0, 0, 0], 24);
  // The checksum of this header.
  bytes.writeUInt32BE(0x566171b7, 29);
  return bytes;
}
const chunkAt = (bytes: Uint8Array, name: string) => Buffer.from(bytes).indexOf(name);

describe('what is no whole image is refused, with the file and a byte', () => {
  const frame = place(JPEG, 0xc0);
  test.each<[string, Uint8Array, number, RegExp]>([
    ['an empty file', new Uint8Array(), 0, /is empty/],
    ['a text', text('hello'), 0, /is no image/],
    ['a GIF', text('GIF89a'), 0, /is a GIF file; JPEG and PNG are read/],
    ['a WebP', text('RIFF\x10\0\0\0WEBPVP8 '), 0, /is a WebP file/],
    ['a page in place of an image', text('<!DOCTYPE html><html>'), 0, /a page of a website/],
    ['a pointer', text('version https://git-lfs.github.com/spec/v1'), 0, /a pointer of Git LFS/],
    ['a JPEG that ends in its pixels', JPEG.subarray(0, JPEG.length - 40), JPEG.length - 40, /cut short: it ends in its image data/],
    ['a JPEG without its end', JPEG.subarray(0, JPEG.length - 2), JPEG.length - 2, /cut short: it ends in its image data/],
    ['a JPEG that ends in its header', JPEG.subarray(0, 100), 100, /cut short: it ends in its header/],
    ['a JPEG of 3 bytes', JPEG.subarray(0, 3), 3, /cut short/],
    ['a JPEG without pixels', Uint8Array.of(0xff, 0xd8, 0xff, 0xd9), 2, /without an image/],
    ['a JPEG of 12 bits', changed(JPEG, frame + 4, 12), frame + 4, /has 12 bits/],
    ['a JPEG without height', changed(JPEG, frame + 5, 0, 0), frame + 5, /size is 29 x 0/],
    ['a JPEG that claims to be huge', changed(JPEG, frame + 5, 0xff, 0xff, 0xff, 0xff), frame + 5, /65535 x 65535, more than 64 million/],
    ['a JPEG of two colours', changed(JPEG, frame + 9, 2), frame + 9, /has 2 colours/],
    ['an arithmetic-coded JPEG', changed(JPEG, frame + 1, 0xc9), frame, /a rare kind \(marker 0xc9\)/],
    ['a JPEG whose segment has no length', changed(JPEG, frame + 2, 0, 0), frame, /a length of 0/],
    ['a JPEG with a second image before its end', withSecondFrame(JPEG), JPEG.length - 2, /has a second image before the end of the first/],
    ['a JPEG of a thousand scans', withScans(JPEG, 1000), scanAt(JPEG) + 500 * scanOf(JPEG).length, /has more than 500 scans/],
    ['a JPEG without tables', changed(JPEG, place(JPEG, 0xdb) + 4, 0xff), 0, /cannot be decoded/],
    ['a PNG that ends early', PNG.subarray(0, PNG.length - 20), PNG.length - 20, /cut short/],
    ['a PNG without its last chunk', PNG.subarray(0, PNG.length - 12), PNG.length - 12, /cut short/],
    ['a PNG with a broken header', changed(PNG, 19, 30), 8, /checksum of its chunk IHDR/],
    ['a PNG of rows of half a gigabyte', hugePng(), 16, /its rows would have 512 million bytes, more than 256 million/],
    ['a PNG with a broken row', changed(PNG, chunkAt(PNG, 'IDAT') + 20, 1, 2, 3), chunkAt(PNG, 'IDAT') - 4, /rows cannot be unpacked/],
  ])('%s', (what, bytes, offset, message) => {
    const error = failureIn(() => new ImageDecoder().decode('train/a/1.jpg', bytes));
    expect(error).toMatchObject({ code: 'data.damaged', details: { file: 'train/a/1.jpg', offset } });
    expect(error.message).toMatch(message);
    // Without decoding, all but what lies in tables and rows shows.
    if (/tables|broken row/.test(what)) checkCoded('train/a/1.jpg', bytes);
    else expect(failureIn(() => checkCoded('train/a/1.jpg', bytes)).message).toBe(error.message);
  });

  test('a JPEG or PNG that is cut at any byte', () => {
    const decoder = new ImageDecoder();
    for (const whole of [JPEG, fileOf(/progressive/), PNG]) {
      for (let end = 0; end < whole.length; end++) {
        expect(failureIn(() => decoder.decode('a file', whole.subarray(0, end)))).toMatchObject({ code: 'data.damaged' });
      }
    }
  });

  test('whatever byte of a file is another one: an image, the same after any other image, or a sentence', () => {
    const decoder = new ImageDecoder();
    const outcomeAfter = (before: Uint8Array, bytes: Uint8Array) => {
      decoder.decode('another file', before);
      try {
        const { height, width, pixels } = decoder.decode('a file', bytes);
        expect(pixels.length).toBe(3 * height * width);
        return createHash('sha256').update(pixels).digest('hex');
      } catch (error) {
        expect(error).toMatchObject({ code: 'data.damaged', details: { file: 'a file' } });
        return messageOf(error);
      }
    };
    const [one, other] = [fileOf(/in RGB/), fileOf(/CMYK/)];
    for (const whole of [JPEG, fileOf(/progressive/), other, PNG, fileOf(/palette of 4/)]) {
      for (let at = 0; at < whole.length; at += 7) {
        const bytes = changed(whole, at, whole[at]! ^ 0xff);
        expect(outcomeAfter(one, bytes)).toBe(outcomeAfter(other, bytes));
      }
    }
  });

  test('a JPEG that the decoder has no memory for', () => {
    // The bytes after its end count as input, and are never touched here.
    const bytes = new Uint8Array(3e9);
    bytes.set(JPEG);
    const error = failureIn(() => new ImageDecoder().decode('a file', bytes));
    expect(error).toMatchObject({ code: 'data.damaged', details: { file: 'a file' }, cause: expect.any(Error) });
    expect(error.message).toMatch(/cannot be decoded: no memory for an image of 3000000000 bytes/);
  });
});

test('after a large image the memory of the decoder is given up', () => {
  const decoder = new ImageDecoder();
  const small = fileOf(/JPEG, grey/);
  const { buffer } = decoder.decode('a file', small).pixels;
  expect(decoder.decode('a file', small).pixels.buffer).toBe(buffer);
  const size = [5000 >> 8, 5000 & 255];
  const large = decoder.decode('a file', changed(small, place(small, 0xc0) + 5, ...size, ...size)).pixels;
  expect(large.length).toBe(3 * 5000 * 5000);
  expect(decoder.decode('a file', small).pixels.buffer.byteLength).toBeLessThan(large.length);
});

test('broken data in the middle of a JPEG are decoded as other programs do, and the image is doubtful', () => {
  const scan = place(JPEG, 0xda);
  expect(new ImageDecoder().decode('a file', changed(JPEG, scan + 60, ...Array(40).fill(0))).isDoubtful).toBe(true);
});
