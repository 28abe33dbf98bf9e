/**
 * The samples of a split as rows of bytes, all of one length: so they travel to a machine without the data set, and so they are kept there.
 *
 *   resident: the pixels of the image [height, width, channels], then its label
 *   coded:    the SHA-256 of the image's bytes (32), their number, then its label
 *
 * Numbers have 32 bits, the lowest byte first. Where images are coded, their sizes are the recipe's, and `height`, `width` and `channels` are those that they are given.
 */

import { assert, present } from '../../base/assert.js';
import { fileNumberOf, pathOf } from '../coded-source.js';
import { DIGEST_BYTES } from '../digest-bytes.js';
import { codedFingerprint } from '../fingerprint.js';
import { residentSource, sharedBytes } from '../resident-source.js';
import { type CodedStore, type FetchedStore, type ImageShape, labelOf, type SampleSource } from '../sample-source.js';

const WORD_BYTES = 4;

/** The facts about a split that its rows do not have. */
export interface SplitHead extends ImageShape {
  readonly kind: 'resident' | 'coded';
  readonly count: number;
}

/** A split whose samples lie on this machine. */
export interface FedSplit {
  readonly source: SampleSource;
  /** [count, 32]: the SHA-256 of the bytes of each coded image; null where samples lie in memory. */
  readonly digests: Uint8Array | null;
}

/** The bytes of a row. */
export function rowBytes({ kind, height, width, channels }: SplitHead): number {
  return WORD_BYTES + (kind === 'resident' ? height * width * channels : DIGEST_BYTES + WORD_BYTES);
}

/** The facts about a split on this machine. */
export function headOf({ source, digests }: FedSplit): SplitHead {
  const { count, height, width, channels, classes } = source;
  return { kind: digests === null ? 'resident' : 'coded', count, height, width, channels, classes };
}

/** Bytes [start, start + length) of a file. */
export interface ImagePlace {
  readonly file: string;
  readonly start: number;
  readonly length: number;
}

/** The place of a sample's coded image, when it was indexed. Asserts that there is such a sample. */
export function imagePlace(store: CodedStore, sample: number): ImagePlace {
  const { pieces, sizes } = store;
  const number = fileNumberOf(store, sample);
  const file = pathOf(store, number);
  const name = `sample ${sample}`;
  if (pieces === null) return { file, start: 0, length: present(sizes[number], name) };
  return { file, start: present(pieces.starts[sample], name), length: present(pieces.lengths[sample], name) };
}

/** Rows [from, to) of a split, [to - from, {@link rowBytes}]. Asserts that it has them. */
export function rowsOf(split: FedSplit, from: number, to: number): Uint8Array {
  const head = headOf(split);
  assert(0 <= from && from <= to && to <= head.count, `rows [${from}, ${to}) of ${head.count}`);
  const { source, digests } = split;
  const { store } = source;
  const bytes = rowBytes(head);
  const rows = new Uint8Array((to - from) * bytes);
  const words = new DataView(rows.buffer);
  for (let sample = from, at = 0; sample < to; sample++, at += bytes) {
    if (store.kind === 'resident') {
      const image = bytes - WORD_BYTES;
      rows.set(store.pixels.subarray(sample * image, (sample + 1) * image), at);
    } else {
      assert(store.kind === 'coded' && digests !== null, `the images of ${source.name} are not files of a data set`);
      rows.set(digests.subarray(sample * DIGEST_BYTES, (sample + 1) * DIGEST_BYTES), at);
      words.setUint32(at + DIGEST_BYTES, imagePlace(store, sample).length, true);
    }
    words.setUint32(at + bytes - WORD_BYTES, labelOf(store, sample), true);
  }
  return rows;
}

/** Rows that come in their order, until all are there. It has memory for all of them from the beginning. */
export class SplitRows {
  readonly head: SplitHead;
  readonly bytes: number;
  readonly #labels: Int32Array<SharedArrayBuffer>;
  /** The pixels; or the digests, where images are coded. */
  readonly #content: Uint8Array<SharedArrayBuffer>;
  readonly #sizes: Uint32Array;
  #count = 0;

  constructor(head: SplitHead) {
    const { kind, count } = head;
    this.head = head;
    this.bytes = rowBytes(head);
    this.#labels = new Int32Array(new SharedArrayBuffer(WORD_BYTES * count));
    this.#content = sharedBytes(count * this.#contentBytes);
    this.#sizes = new Uint32Array(kind === 'coded' ? count : 0);
  }

  /** The number of rows so far. */
  get count(): number {
    return this.#count;
  }

  get isWhole(): boolean {
    return this.#count === this.head.count;
  }

  /** Adds whole rows. Asserts that there are as many rows to come. */
  add(rows: Uint8Array): void {
    const added = rows.length / this.bytes;
    assert(Number.isInteger(added) && this.#count + added <= this.head.count, `${rows.length} bytes of rows of ${this.bytes}`);
    const words = new DataView(rows.buffer, rows.byteOffset, rows.byteLength);
    const content = this.#contentBytes;
    for (let at = 0; at < rows.length; at += this.bytes, this.#count++) {
      this.#content.set(rows.subarray(at, at + content), this.#count * content);
      if (this.head.kind === 'coded') this.#sizes[this.#count] = words.getUint32(at + content, true);
      this.#labels[this.#count] = words.getUint32(at + this.bytes - WORD_BYTES, true);
    }
  }

  /** The fingerprint of the split (fingerprint.ts). Asserts that all rows are there. */
  async fingerprint(): Promise<string> {
    const { kind, count, classes } = this.head;
    assert(this.isWhole, `${this.#count} rows of ${count}`);
    if (kind === 'resident') return this.resident('').fingerprint();
    return codedFingerprint({ count, classes, digests: this.#content, labels: this.#labels });
  }

  /** The source of images in memory, under this name. Asserts that all rows are there, and are such images. */
  resident(name: string): SampleSource {
    assert(this.isWhole && this.head.kind === 'resident', 'rows of no images');
    return residentSource({ ...this.head, pixels: this.#content, labels: this.#labels }, { name, from: 0, to: this.head.count });
  }

  /** The store of coded images, whose files lie in `folder`. Asserts that all rows are there, and are of such images. */
  coded(name: string, { folder, size, resize }: { readonly folder: string; readonly size: number; readonly resize: number }): FetchedStore {
    assert(this.isWhole && this.head.kind === 'coded', 'rows of no coded images');
    const { channels, classes, count } = this.head;
    const shape = { height: size, width: size, channels, classes };
    return { kind: 'fetched', name, ...shape, count, folder, digests: this.#content, labels: this.#labels, resize };
  }

  /** The bytes of a coded image. Asserts that there is such a row. */
  sizeOf(sample: number): number {
    return present(this.#sizes[sample], `the size of sample ${sample}`);
  }

  get #contentBytes(): number {
    return this.bytes - WORD_BYTES - (this.head.kind === 'coded' ? WORD_BYTES : 0);
  }
}
