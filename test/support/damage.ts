/** Ways to spoil a data file, and the error that each must meet. */

/** The content of a spoilt file, from that of the valid one. */
export type Change = (bytes: Buffer) => Buffer;

/**
 * A row names the damage, the file, the change, the byte of the error (a function gets the length that the file had), the message,
 * the first step that sees it, and the file that the error names when it is another.
 */
export type Damage = readonly [
  what: string,
  file: string,
  change: Change,
  offset: number | ((length: number) => number),
  message: RegExp,
  seen?: 'header' | 'content',
  blamed?: string,
];

/** Writes bytes from an offset on. */
export const put =
  (offset: number, ...values: number[]): Change =>
  (bytes) => {
    const copy = Buffer.from(bytes);
    copy.set(values, offset);
    return copy;
  };

/** Writes 32 bits, the highest byte first. */
export const putWord =
  (offset: number, value: number): Change =>
  (bytes) => {
    const copy = Buffer.from(bytes);
    copy.writeUInt32BE(value, offset);
    return copy;
  };

/** Keeps so many bytes. */
export const cutTo =
  (length: number): Change =>
  (bytes) =>
    bytes.subarray(0, length);

/** Takes away so many bytes at the end. */
export const cutBy =
  (count: number): Change =>
  (bytes) =>
    bytes.subarray(0, bytes.length - count);

/** Adds bytes at the end. */
export const add =
  (...values: number[]): Change =>
  (bytes) =>
    Buffer.concat([bytes, Uint8Array.from(values)]);

/** Puts other content in place of all. */
export const become =
  (content: Uint8Array | string): Change =>
  () =>
    Buffer.from(content);
