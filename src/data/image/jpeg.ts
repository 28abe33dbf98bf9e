/**
 * JPEG to RGB, by libjpeg-turbo compiled to WebAssembly (the package `@cwasm/jpeg-turbo`). It is synchronous, because a loader thread sleeps outside of its
 * event loop; its bits are the same on every machine; and a hostile file finds nothing but the memory of this module.
 *
 * The pixels are those of Pillow: the slow DCT, chroma interpolated, inks turned into colours without a profile.
 */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { messageOf, StillhouseError } from '../../errors/stillhouse-error.js';
import { readJpegHeader } from './jpeg-header.js';
import type { RgbImage } from './rgb-image.js';

/** The part of WebAssembly's JavaScript interface that is used here; the project's type libraries do not declare it. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => Program;
  readonly Instance: new (program: Program, imports: object) => { readonly exports: unknown };
};
/** A compiled module. */
type Program = object;

/** TurboJPEG's numbers of formats. */
const FORMATS = { rgb: { number: 0, bytes: 3 }, cmyk: { number: 11, bytes: 4 } } as const;

interface TurboJpeg {
  readonly memory: { readonly buffer: ArrayBuffer };
  malloc(bytes: number): number;
  free(address: number): void;
  tjInitDecompress(): number;
  /** 0; or -1, where it met broken data and went on. An error that it cannot go on after leaves by `longjmp`. */
  tjDecompress2(...numbers: readonly number[]): number;
}

/** The library's error, after which its memory may be in any state. */
class Abandoned extends Error {}

/** A library whose memory has grown over this number of bytes is given up after the image: memory of WebAssembly does not shrink. */
const KEPT_BYTES_MAX = 64 * 2 ** 20;
/** The value of what the decoder leaves out. */
const GREY = 128;

/** Decodes one image after the other. It owns the memory of the library, which grows to the largest image of up to some ten million pixels. */
export class JpegDecoder {
  #program: Program | null = null;
  #open: OpenLibrary | null = null;

  /** The pixels are lent until the next call. Throws data.damaged. */
  decode(file: string, bytes: Uint8Array): RgbImage {
    const { height, width, components } = readJpegHeader(file, bytes);
    const format = components === 4 ? FORMATS.cmyk : FORMATS.rgb;
    this.#program ??= compile();
    try {
      this.#open ??= new OpenLibrary(this.#program);
      const isDoubtful = this.#open.decode(bytes, { height, width, format });
      const raw = this.#open.output(height * width * format.bytes);
      if (this.#open.bytes > KEPT_BYTES_MAX) this.#open = null;
      return { height, width, pixels: components === 4 ? rgbOfInks(raw) : raw, isDoubtful };
    } catch (error) {
      this.#open = null;
      throw undecodable(file, error);
    }
  }
}

/** Whatever the library fails by, the file is the cause: a trap of its program and a lack of memory too. */
function undecodable(file: string, cause: unknown): StillhouseError {
  const why = cause instanceof Abandoned ? 'they are no JPEG data, or contradict its header' : messageOf(cause);
  return new StillhouseError('data.damaged', `its image data cannot be decoded: ${why}`, {
    file,
    offset: 0,
    hint: 'Download or copy the file again',
    cause,
  });
}

interface Wanted {
  readonly height: number;
  readonly width: number;
  readonly format: (typeof FORMATS)[keyof typeof FORMATS];
}

class OpenLibrary {
  readonly #library: TurboJpeg;
  readonly #handle: number;
  #input = { address: 0, bytes: 0 };
  #output = { address: 0, bytes: 0 };

  constructor(program: Program) {
    this.#library = instantiate(program);
    this.#handle = this.#library.tjInitDecompress();
  }

  /** The bytes of all its memory. */
  get bytes(): number {
    return this.#library.memory.buffer.byteLength;
  }

  /** Whether the data were doubtful. */
  decode(bytes: Uint8Array, { height, width, format }: Wanted): boolean {
    this.#input = this.#room(this.#input, bytes.length);
    this.#output = this.#room(this.#output, height * width * format.bytes);
    new Uint8Array(this.#library.memory.buffer).set(bytes, this.#input.address);
    // Pixels that broken data leave out are not those of the image before.
    this.output(height * width * format.bytes).fill(GREY);
    const sizes = [this.#output.address, width, 0, height, format.number, 0];
    return this.#library.tjDecompress2(this.#handle, this.#input.address, bytes.length, ...sizes) !== 0;
  }

  /** The first bytes of the last image. */
  output(bytes: number): Uint8Array {
    return new Uint8Array(this.#library.memory.buffer, this.#output.address, bytes);
  }

  #room(held: { address: number; bytes: number }, bytes: number): { address: number; bytes: number } {
    if (held.bytes >= bytes) return held;
    this.#library.free(held.address);
    const address = this.#library.malloc(bytes);
    if (address === 0) throw new Error(`no memory for an image of ${bytes} bytes`);
    return { address, bytes };
  }
}

function compile(): Program {
  const file = createRequire(import.meta.url).resolve('@cwasm/jpeg-turbo/jpeg-turbo.wasm');
  return new WebAssembly.Module(readFileSync(file));
}

function instantiate(program: Program): TurboJpeg {
  const refuse = () => {
    throw new Abandoned();
  };
  const system = {
    environ_sizes_get: () => 0,
    environ_get: () => 0,
    proc_exit: refuse,
    fd_close: refuse,
    fd_seek: refuse,
    fd_write: refuse,
  };
  const imports = { env: { setjmp: () => 0, longjmp: refuse }, wasi_snapshot_preview1: system };
  return new WebAssembly.Instance(program, imports).exports as TurboJpeg;
}

/** [N, 4] inks as files have them, inverted, to [N, 3] colours as Pillow makes them: each is what black leaves of it. */
function rgbOfInks(inks: Uint8Array): Uint8Array {
  const pixels = new Uint8Array((inks.length / 4) * 3);
  for (let from = 0, to = 0; from < inks.length; from += 4, to += 3) {
    const light = inks[from + 3]!;
    for (let colour = 0; colour < 3; colour++) {
      const product = (255 - inks[from + colour]!) * light + 128;
      pixels[to + colour] = light - (((product >> 8) + product) >> 8);
    }
  }
  return pixels;
}
