/** The look at a frame before it is decoded: extension types and deep nesting never reach the decoder. */

import { Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { decodeWorkerMessage } from '../../../src/protocol/codec.js';
import { shapeProblem } from '../../../src/protocol/frame-shape.js';

const packr = new Packr({ useRecords: false, variableMapSize: true });

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value, 2] : { a: value, b: [] };
  return value;
}

describe('accepts', () => {
  test.each([
    ['a number', 5],
    ['a negative number', -70_000],
    ['a fraction', 0.1],
    ['a large number', 2 ** 40],
    ['null', null],
    ['a short text', 'abc'],
    ['a long text', 'é'.repeat(40_000)],
    ['an empty list', []],
    ['a long list', Array.from({ length: 70_000 }, (_, i) => i)],
    ['a map', { a: 1, b: { c: [] }, d: {} }],
    ['a map of 20 keys', Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, i]))],
    ['the deepest nesting', nested(8)],
  ])('%s', (_name, value) => {
    expect(shapeProblem(packr.pack(value), 8)).toBeNull();
  });
});

describe('names what is wrong', () => {
  test.each([
    ['nothing', [], 'the frame ends inside a value, at byte 0'],
    ['a cut list', [0x92, 1], 'a length claims more than'],
    ['a cut number', [0xce, 1, 2], 'a length claims more than'],
    ['a list of 4 G items', [0xdd, 0xff, 0xff, 0xff, 0xff], 'a length claims more than'],
    ['a cut length', [0xde, 0], 'a length that is cut short at byte 0'],
    ['a record definition', [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 1], 'type byte 0xd4'],
    ['an extension in a list', [0x91, 0xc7, 0, 1], 'type byte 0xc7, which no message has, at byte 1'],
    ['binary data', [0xc4, 0], 'type byte 0xc4'],
    ['bytes after it', [0x80, 0, 0], '2 bytes after the message'],
    ['one level too much', [0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 1], 'nested deeper than 8'],
  ])('%s', (_name, bytes, problem) => {
    expect(shapeProblem(Uint8Array.from(bytes), 8)).toContain(problem);
    expect(decodeWorkerMessage([Uint8Array.from(bytes)])).toMatchObject({ ok: false, detail: expect.stringContaining(problem) });
  });
});
