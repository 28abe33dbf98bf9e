/** Frames that a caller may send and that are no message: all are refused, nothing throws, and nothing takes long. */

import { Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { LIMITS } from '../../../src/base/limits.js';
import { decodeDataRequest, decodeWorkerMessage, encodeControl, encodeData } from '../../../src/protocol/codec.js';
import type { Frames } from '../../../src/protocol/frames.js';
import { expectRefused } from '../../support/frame-decoder.js';
import { COORDINATOR_MESSAGES, DATA_REQUESTS, WORKER_MESSAGES } from '../../support/message-sample.js';

const packr = new Packr({ useRecords: false, variableMapSize: true });
const bytes = (...parts: (number | string | readonly number[] | Uint8Array)[]): Uint8Array =>
  Buffer.concat(
    parts.map((part) =>
      typeof part === 'number' ? Buffer.of(part) : typeof part === 'string' ? Buffer.from(part) : Uint8Array.from(part),
    ),
  );
const repeat = (count: number, ...unit: number[]): Uint8Array =>
  Uint8Array.from({ length: count * unit.length }, (_, i) => unit[i % unit.length]!);
/** A message with some fields changed; `undefined` takes a field away. */
const hello = { ...WORKER_MESSAGES[0] };
const renew = { ...WORKER_MESSAGES[2] };
const assign = { ...COORDINATOR_MESSAGES[2] };
const altered = (message: object, change: object): Uint8Array =>
  packr.pack(Object.fromEntries(Object.entries({ ...message, ...change }).filter(([, value]) => value !== undefined)));

const BYTES: Readonly<Record<string, Uint8Array>> = {
  'no bytes': bytes(),
  'the unused byte': bytes(0xc1),
  null: bytes(0xc0),
  true: bytes(0xc3),
  'a number': bytes(7),
  'a string': bytes(0xa5, 'hello'),
  'an array': bytes(0x91, 1),
  'an empty array': bytes(0x90),
  'an empty map': bytes(0x80),
  'a map without its value': bytes(0x81, 0xa1, 'a'),
  'a map of number keys': bytes(0x81, 1, 1),
  'a map with a map as key': bytes(0x81, 0x80, 1),
  'a map with an array as key': bytes(0x81, 0x90, 1),
  'a map with null as key': bytes(0x81, 0xc0, 1),
  'a map with true as key': bytes(0x81, 0xc3, 1),
  'a string longer than the frame': bytes(0xd9, 0xff, 'x'),
  'a string of 4 GiB': bytes(0xdb, [0xff, 0xff, 0xff, 0xff], 'x'),
  'an array of 4 G items': bytes(0xdd, [0xff, 0xff, 0xff, 0xff]),
  'a map of 4 G items': bytes(0xdf, [0xff, 0xff, 0xff, 0xff]),
  'an array of 16 M items': bytes(0xdd, [0x01, 0x00, 0x00, 0x00], repeat(100, 0xc0)),
  'a length that is cut short': bytes(0xdb, 0, 0),
  '16 M nils': bytes(0xdd, [0x00, 0xff, 0xff, 0xff], repeat(0xffffff, 0xc0)),
  '60 thousand nils': bytes(0xdc, [0xea, 0x60], repeat(60_000, 0xc0)),
  'nesting of 9': bytes(repeat(9, 0x91), 0xc0),
  'nesting of 33': bytes(repeat(33, 0x91), 0xc0),
  'nesting of 1,000': bytes(repeat(1000, 0x91), 0xc0),
  'nesting of 60,000': bytes(repeat(60_000, 0x91), 0xc0),
  'nesting of 100,000': bytes(repeat(100_000, 0x91), 0xc0),
  'nested maps, 20,000': bytes(repeat(20_000, 0x81, 0xa1, 0x61), 0xc0),
  'binary 8': bytes(0xc4, 1, 0),
  'binary 16': bytes(0xc5, 0, 1, 0),
  'binary 32': bytes(0xc6, 0, 0, 0, 1, 0),
  'extension 8': bytes(0xc7, 1, 5, 0),
  'extension 16': bytes(0xc8, 0, 1, 5, 0),
  'extension 32': bytes(0xc9, 0, 0, 0, 1, 5, 0),
  'a 32-bit float': bytes(0xca, 0x3f, 0x80, 0, 0),
  'an unsigned 64-bit number': bytes(0xcf, repeat(8, 0xff)),
  'a signed 64-bit number': bytes(0xd3, repeat(8, 0xff)),
  'extension 1': bytes(0xd4, 0, 0),
  'extension 2': bytes(0xd5, 5, 0, 0),
  'extension 4': bytes(0xd6, 5, repeat(4, 0)),
  'extension 8 fixed': bytes(0xd7, 5, repeat(8, 0)),
  'extension 16 fixed': bytes(0xd8, 5, repeat(16, 0)),
  'a time stamp': bytes(0xd6, 0xff, 0x60, 0, 0, 0),
  'a record definition': bytes(0xd4, 0x72, 0x40, 0x91, 0xa1, 'a', 1),
  'a record definition of two bytes': bytes(0xd5, 0x72, 0x40, 0x01, 0x91, 0xa1, 'a', 1),
  'bundled strings': bytes(0xd6, 0x62, 0, 0, 0, 9, 0xa1, 'a'),
  'a regular expression': new Packr({ moreTypes: true, structuredClone: true }).pack(/(a+)+$/),
  'an error': new Packr({ moreTypes: true, structuredClone: true }).pack(new Error('x')),
  'a set': new Packr({ moreTypes: true, structuredClone: true }).pack(new Set([1])),
  'a map object': new Packr({ moreTypes: true, structuredClone: true }).pack(new Map([[1, 2]])),
  'a date': packr.pack(new Date(0)),
  'a bigint': packr.pack(2n ** 63n),
  undefined: packr.pack(undefined),
  'a typed array': packr.pack(new Float32Array(3)),
  'a record': new Packr().pack({ type: 'worker.leave' }),
  JSON: bytes('{"type":"worker.hello"}'),
  HTTP: bytes('GET / HTTP/1.1\r\n\r\n'),
  'a byte order mark': bytes(0xef, 0xbb, 0xbf),
  zeros: repeat(100, 0),
  'all ones': repeat(100, 0xff),
  'beyond the control maximum': bytes(0xdb, [0, 1, 0, 0], repeat(65536, 0x61)),
};

/** The message `renew` with its bytes changed rather than its values. */
const renewFrame = encodeControl(WORKER_MESSAGES[2]!);
const REENCODED: Readonly<Record<string, Uint8Array>> = {
  'one byte after it': bytes(renewFrame, 0),
  'a nil after it': bytes(renewFrame, 0xc0),
  'itself twice': bytes(renewFrame, renewFrame),
  'a repeated key': bytes(0x80 | 9, renewFrame.subarray(1), 0xa4, 'term', 3),
  'a repeated key with another value': bytes(0x80 | 9, renewFrame.subarray(1), 0xa4, 'term', 4),
  'its map in a longer form': bytes(0xde, 0, 8, renewFrame.subarray(1)),
  'its map in the longest form': bytes(0xdf, 0, 0, 0, 8, renewFrame.subarray(1)),
  'a map that claims one pair more': bytes(0x89, renewFrame.subarray(1)),
  'a map that claims one pair less': bytes(0x87, renewFrame.subarray(1)),
  'records of another encoder': new Packr().pack(renew),
  'a key that is not UTF-8': bytes(0x89, renewFrame.subarray(1), 0xa2, 0xc3, 0x28, 1),
  'the key __proto__': bytes(0x89, renewFrame.subarray(1), 0xa9, '__proto__', 0x81, 0xa4, 'term', 9),
  'the key __proto_': bytes(0x89, renewFrame.subarray(1), 0xa8, '__proto_', 1),
  'the key constructor': bytes(0x89, renewFrame.subarray(1), 0xab, 'constructor', 1),
  'the key toString': bytes(0x89, renewFrame.subarray(1), 0xa8, 'toString', 1),
  'the key hasOwnProperty': bytes(0x89, renewFrame.subarray(1), 0xae, 'hasOwnProperty', 1),
};

const notNatural = {
  NaN: Number.NaN,
  'minus one': -1,
  'a half': 0.5,
  infinity: Infinity,
  '2^53': 2 ** 53,
  '2^53 + 2': 2 ** 53 + 2,
  '1e308': 1e308,
  'a string': '1',
  true: true,
  null: null,
  'an array': [1],
  'a map': { a: 1 },
  absent: undefined,
};
const notName = {
  empty: '',
  'a space': ' ',
  'a slash': 'a/b',
  'two dots': '..',
  'a NUL': 'a\0',
  'a newline': 'a\n',
  'a dash first': '-a',
  'too long': 'a'.repeat(65),
  'a number': 1,
  null: null,
  absent: undefined,
  'an array': ['a'],
  'a letter with an accent': 'é',
};

const VALUES: Readonly<Record<string, Uint8Array>> = {
  ...named('term', notNatural, (value) => altered(renew, { term: value })),
  ...named('progress', notNatural, (value) => altered(renew, { progress: value })),
  ...named('busyMs', { NaN: Number.NaN, 'minus one': -1, infinity: Infinity, 'a string': '1', null: null, absent: undefined }, (value) =>
    altered(renew, { busyMs: value }),
  ),
  ...named('worker', notName, (value) => altered(hello, { worker: value })),
  ...named(
    'type',
    {
      unknown: 'worker.fly',
      empty: '',
      'a number': 1,
      null: null,
      absent: undefined,
      constructor: 'constructor',
      __proto__: '__proto__',
      'an array': ['worker.hello'],
    },
    (value) => altered(hello, { type: value }),
  ),
  ...named('role', { unknown: 'king', empty: '', 'a number': 0, absent: undefined }, (value) => altered(hello, { role: value })),
  ...named('protocol', { 'a string': '1', 'a half': 1.5, NaN: Number.NaN, absent: undefined }, (value) =>
    altered(hello, { protocol: value }),
  ),
  ...named('schema', { 'too long': 'a'.repeat(65), 'a number': 1, absent: undefined }, (value) => altered(hello, { schema: value })),
  ...named('message', { 'too long': 'x'.repeat(LIMITS.textLength + 1), 'a number': 1, absent: undefined }, (value) =>
    altered({ ...WORKER_MESSAGES.at(-1) }, { message: value }),
  ),
  ...named(
    'hash',
    { short: 'ab', 'upper case': 'AB'.repeat(32), 'not hex': 'zz'.repeat(32), 'a newline': `${'ab'.repeat(31)}a\n`, null: null },
    (value) => altered({ ...WORKER_MESSAGES[4] }, { hash: value }),
  ),
  ...named(
    'endpoint',
    { HTTP: 'http://x', empty: '', 'a space': 'tcp:// x', 'too long': `tcp://${'x'.repeat(300)}`, 'a file': '/etc/passwd' },
    (value) => altered({ ...WORKER_MESSAGES[1] }, { endpoint: value }),
  ),
  ...named(
    'ranges',
    {
      'an empty range': [{ start: 4, end: 4 }],
      'a backward range': [{ start: 4, end: 3 }],
      'a negative start': [{ start: -1, end: 3 }],
      'a third field': [{ start: 0, end: 3, more: 1 }],
      'too many': Array.from({ length: LIMITS.ranges + 1 }, (_, i) => ({ start: i, end: i + 1 })),
      'no list': { start: 0, end: 3 },
    },
    (ranges) => altered(assign, { work: { kind: 'train', ranges, roundSamples: 1 } }),
  ),
  ...named(
    'work',
    { 'an unknown kind': { kind: 'sleep' }, 'a field of another kind': { kind: 'train', start: 0 }, null: null, 'a list': [] },
    (work) => altered(assign, { work }),
  ),
  'a field more': altered(renew, { more: 1 }),
};

function named(field: string, values: object, make: (value: unknown) => Uint8Array): Record<string, Uint8Array> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${field}: ${name}`, make(value)]));
}

describe('one frame', () => {
  test.each(Object.entries({ ...BYTES, ...VALUES }))('%s', (_name, frame) => expectRefused([frame]));
  test.each(Object.entries(REENCODED))('a renewal with %s', (_name, frame) => expectRefused([frame]));

  test('the list above has at least 150 frames', () => {
    expect(Object.keys({ ...BYTES, ...VALUES, ...REENCODED }).length).toBeGreaterThanOrEqual(150);
  });

  test('negative zero is not accepted for zero', () => {
    const at = Buffer.from(renewFrame).indexOf('progress') + 'progress'.length;
    const minusZero = bytes(renewFrame.subarray(0, at), 0xcb, 0x80, repeat(7, 0), renewFrame.subarray(at + 1));
    expect(decodeWorkerMessage([bytes(renewFrame.subarray(0, at), 0, renewFrame.subarray(at + 1))]).ok).toBe(true);
    expectRefused([minusZero]);
  });

  test('text that is not UTF-8 is not accepted, whatever its length', () => {
    for (const length of [1, 10, 40, 300]) {
      const leave = encodeControl({ ...WORKER_MESSAGES.at(-1)!, message: 'x'.repeat(length) } as never);
      const damaged = Uint8Array.from(leave);
      damaged[damaged.length - 1] = 0xff;
      expect(decodeWorkerMessage([leave]).ok).toBe(true);
      expectRefused([damaged]);
    }
  });
});

describe('frames', () => {
  const [header, frame] = encodeData(...DATA_REQUESTS.map(([body, tensors]) => [body, 5, tensors] as const)[0]!);
  const spec = { name: 'samples', dtype: 'int32', shape: [3] };
  const described = (tensors: unknown): Uint8Array => altered({ ...DATA_REQUESTS[0]![0], id: 5 }, { tensors });

  test.each([
    ['none', []],
    ['a control message and another', [renewFrame, renewFrame]],
    ['a header without its tensor', [header!]],
    ['a tensor too many', [header!, frame!, frame!]],
    ['a tensor one byte short', [header!, frame!.subarray(1)]],
    ['a tensor one byte long', [header!, bytes(frame!, 0)]],
    ['an empty tensor frame', [header!, bytes()]],
    ['the header last', [frame!, header!]],
    ['a negative shape', [described([{ ...spec, shape: [-3] }]), frame!]],
    ['a fractional shape', [described([{ ...spec, shape: [1.5, 2] }]), frame!]],
    ['a NaN shape', [described([{ ...spec, shape: [Number.NaN] }]), frame!]],
    ['a shape beyond 2^40', [described([{ ...spec, shape: [2 ** 41] }]), frame!]],
    ['a shape whose product wraps at 2^32 to 3', [described([{ ...spec, shape: [2 ** 32 + 3] }]), frame!]],
    ['a shape whose product wraps at 2^64 to 0', [described([{ ...spec, shape: [2 ** 32, 2 ** 32] }]), bytes()]],
    ['a shape whose product is beyond every number', [described([{ ...spec, shape: Array(8).fill(2 ** 40) }]), frame!]],
    ['nine axes', [described([{ ...spec, shape: Array(9).fill(1) }]), frame!]],
    ['an unknown dtype', [described([{ ...spec, dtype: 'float64' }]), frame!]],
    ['a dtype that every object has', [described([{ ...spec, dtype: 'constructor' }]), frame!]],
    ['a tensor without a name', [described([{ dtype: 'int32', shape: [3] }]), frame!]],
    ['a tensor with a field more', [described([{ ...spec, offset: 0 }]), frame!]],
    ['no list of tensors', [described({ 0: spec }), frame!]],
    ['17 tensors', [described(Array(17).fill({ ...spec, shape: [0] })), ...Array(17).fill(bytes())]],
    ['a thousand frames', [header!, ...Array(1000).fill(frame)]],
  ] as [string, Frames][])('%s', (_name, frames) => expectRefused(frames));

  test('an id that can be read is kept for the refusal', () => {
    expect(decodeDataRequest([header!])).toMatchObject({ ok: false, id: 5 });
    expect(decodeDataRequest([described('x')])).toMatchObject({ ok: false, id: 5 });
    expect(decodeDataRequest([altered({ ...DATA_REQUESTS[0]![0], id: -5 }, { tensors: [] })])).toMatchObject({ ok: false, id: null });
  });
});

test('a frame of the greatest allowed size takes milliseconds of the processor, whatever is in it', () => {
  const size = LIMITS.controlFrameBytes;
  const frames = [
    repeat(size, 0x91),
    repeat(size, 0x80),
    repeat(size, 0xc0),
    bytes(0xdc, [0xff, 0xf0], repeat(size - 20, 0xc0)),
    bytes(0xdd, [0, 0, 0x7f, 0xf0], repeat(size / 2 - 8, 0xa0, 0xa0)),
  ];
  for (const frame of frames) {
    // Processor time: other programs that want the cores too do not add to it.
    const before = process.cpuUsage();
    expectRefused([frame]);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000).toBeLessThan(500);
  }
});
