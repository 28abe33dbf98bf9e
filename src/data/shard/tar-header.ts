/**
 * The header block of a member of a tar archive: ustar (POSIX 1003.1), its extended headers (pax), and GNU's long names. It reads bytes and opens no file.
 *
 *   0  name, 100 bytes | 124  size, 12 | 148  checksum, 8 | 156  type | 257  ustar | 345  the front of the name, 155 (ustar alone)
 */

import type { StillhouseError } from '../../errors/stillhouse-error.js';

/** Headers begin at multiples of it, and contents are filled up to one. */
export const BLOCK_BYTES = 512;

/** Makes the error about a byte of the archive. */
export type TarFault = (offset: number, what: string) => StillhouseError;

export interface TarHeader {
  readonly name: string;
  /** The bytes of its content. */
  readonly size: number;
  /** The type, as a character: 0 for a file. */
  readonly type: string;
}

/** Whether the block has zero bytes alone: the mark of an archive's end. */
export function isZero(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}

/** Reads a header that begins at `offset` of the archive. Throws `fault`. */
export function readTarHeader(block: Buffer, offset: number, fault: TarFault): TarHeader {
  const written = octal(block.subarray(148, 156));
  const [unsigned, signed] = checksums(block);
  if (written !== unsigned && written !== signed) {
    throw fault(offset, 'the checksum of this tar header is wrong: it is no tar archive, or its bytes have changed');
  }
  const size = sizeOf(block.subarray(124, 136));
  if (size === null) throw fault(offset + 124, 'the size in this tar header is no number');
  const type = block[156] === 0 ? '0' : String.fromCharCode(block[156]!);
  const isUstar = block.toString('latin1', 257, 263) === 'ustar\0';
  const front = isUstar ? textOf(block.subarray(345, 500)) : '';
  const name = textOf(block.subarray(0, 100));
  return { name: front === '' ? name : `${front}/${name}`, size, type };
}

/** The sum of all bytes, with spaces in place of the sum itself; as unsigned bytes, and as signed ones, as some old programs have it. */
function checksums(block: Buffer): readonly [number, number] {
  let [unsigned, signed] = [0, 0];
  for (let i = 0; i < BLOCK_BYTES; i++) {
    const byte = i >= 148 && i < 156 ? 0x20 : block[i]!;
    unsigned += byte;
    signed += byte < 128 ? byte : byte - 256;
  }
  return [unsigned, signed];
}

function sizeOf(field: Buffer): number | null {
  // Sizes from 8 GiB on: 256 as the base, the first bit set.
  if (field[0] === 0x80) return Number(BigInt(`0x${field.toString('hex', 4)}`));
  return octal(field);
}

function octal(field: Buffer): number | null {
  const text = field
    .toString('latin1')
    .replace(/[\0 ]+$/, '')
    .replace(/^[\0 ]+/, '');
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : text === '' ? 0 : null;
}

/** The bytes up to the first zero byte, as UTF-8. */
export function textOf(field: Buffer): string {
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? field.length : end);
}

/** The records of an extended header: `LENGTH KEY=VALUE` and a line feed, where the length is that of the whole record. Null when it breaks these rules. */
export function readPax(content: Buffer): ReadonlyMap<string, string> | null {
  const records = new Map<string, string>();
  for (let at = 0; at < content.length && content[at] !== 0; ) {
    const space = content.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(content.toString('latin1', at, space));
    const end = at + length;
    if (!Number.isSafeInteger(length) || end > content.length || end <= space || content[end - 1] !== 0x0a) return null;
    const record = content.toString('utf8', space + 1, end - 1);
    const equals = record.indexOf('=');
    if (equals < 1) return null;
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at = end;
  }
  return records;
}
