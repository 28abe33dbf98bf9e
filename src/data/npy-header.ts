/**
 * The header of a NumPy array file (.npy), versions 1 to 3. Layout: numpy.lib.format
 *
 *   0  \x93NUMPY | 6  major, minor | 8  the length of the text: 16 bits, or 32 from version 2 on, the lowest byte first
 *   then a Python dict as text with descr, fortran_order and shape; then the elements
 */

import type { StillhouseError } from '../errors/stillhouse-error.js';

export interface NpyHeader {
  /** The type of its elements, as NumPy writes it: `|u1`, `<i8`; text of other kinds of types. */
  readonly descr: string;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
  /** The number of bytes of the header; the elements begin after it. */
  readonly bytes: number;
}

/** Makes the error about a byte of the file. */
export type NpyFault = (offset: number, what: string) => StillhouseError;

const MAGIC = Buffer.from('\x93NUMPY', 'latin1');
/** The bytes before the length of the text. */
const START_BYTES = 8;
/** A longer text counts as broken: that of an array of numbers has some hundred characters. */
const TEXT_BYTES_MAX = 64 * 1024;

/** Reads the header by `read`, which gives the next bytes of the file or throws. */
export async function readNpyHeader(read: (bytes: number) => Promise<Buffer>, fault: NpyFault): Promise<NpyHeader> {
  const start = await read(START_BYTES);
  if (!start.subarray(0, MAGIC.length).equals(MAGIC)) throw fault(0, 'is no NumPy array: it does not begin with \\x93NUMPY');
  const version = start[6]!;
  if (version < 1 || version > 3) throw fault(6, `has version ${version} of the npy format; 1, 2 and 3 are read`);
  const lengthBytes = version === 1 ? 2 : 4;
  const length = (await read(lengthBytes)).readUIntLE(0, lengthBytes);
  if (length > TEXT_BYTES_MAX) throw fault(START_BYTES, `its header claims ${length} bytes`);
  const textStart = START_BYTES + lengthBytes;
  const text = (await read(length)).toString(version === 3 ? 'utf8' : 'latin1').trim();
  return { ...readDict(text, (what) => fault(textStart, what)), bytes: textStart + length };
}

function readDict(text: string, fault: (what: string) => StillhouseError): Omit<NpyHeader, 'bytes'> {
  const [, descr, other] = /['"]descr['"]\s*:\s*(?:['"]([^'"]*)['"]|(\[[\s\S]*?\]))/.exec(text) ?? [];
  const [, order] = /['"]fortran_order['"]\s*:\s*(True|False)/.exec(text) ?? [];
  const [, axes] = /['"]shape['"]\s*:\s*\(([\d\sL,]*)\)/.exec(text) ?? [];
  const type = descr ?? other;
  if (!text.startsWith('{') || !text.endsWith('}') || type === undefined || order === undefined || axes === undefined) {
    throw fault('its header does not say descr, fortran_order and shape');
  }
  // Python 2 wrote long numbers with an L behind.
  const shape = axes.split(',').flatMap((axis) => (axis.trim() === '' ? [] : [Number(axis.trim().replace(/L$/, ''))]));
  if (!shape.every((axis) => Number.isSafeInteger(axis))) throw fault(`its header has the shape (${axes})`);
  return { descr: type, fortranOrder: order === 'True', shape };
}

const KINDS: Readonly<Record<string, string>> = { u: 'uint', i: 'int', f: 'float', c: 'complex' };

/** The name that NumPy has for a type of elements: float32 for `<f4`. */
export function dtypeName(descr: string): string {
  const [, kind = '', bytes] = /^[<>|=]?([a-zA-Z])(\d*)$/.exec(descr) ?? [];
  if (kind === 'b') return 'bool';
  if (kind === 'O') return 'object';
  if (kind === 'U' || kind === 'S') return 'text';
  const name = KINDS[kind];
  return name === undefined || bytes === undefined ? descr : `${name}${8 * Number(bytes)}`;
}
