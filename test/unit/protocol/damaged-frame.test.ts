/** Valid frames that were damaged on the way, and random ones: nothing throws, and nothing that is no message is accepted. */

import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, test } from 'vitest';
import type { Frames } from '../../../src/protocol/frames.js';
import { DECODERS, expectHarmless, expectRefused } from '../../support/frame-decoder.js';
import { COORDINATOR_MESSAGES, WORKER_MESSAGES } from '../../support/message-sample.js';

const packr = new Packr({ useRecords: false, variableMapSize: true });

describe('valid frames, damaged', () => {
  const valid: Frames[] = DECODERS.flatMap((one) => one.valid);

  test('cut at every byte', () => {
    for (const [header, ...rest] of valid) {
      for (let length = 0; length < header!.byteLength; length++) expectRefused([header!.subarray(0, length), ...rest]);
    }
  });

  // By its own decoder alone: one bit does not make a message of another kind.
  test.each(DECODERS)('with every bit of the header flipped: $decode.name', (decoder) => {
    for (const [header, ...rest] of decoder.valid) {
      const damaged = Uint8Array.from(header!);
      for (let bit = 0; bit < damaged.length * 8; bit++) {
        damaged[bit >> 3]! ^= 1 << (bit & 7);
        expectHarmless([damaged, ...rest], [decoder]);
        damaged[bit >> 3]! ^= 1 << (bit & 7);
      }
    }
  });

  test('with random bytes overwritten', () => {
    fc.assert(
      fc.property(fc.nat(valid.length - 1), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 }), (which, writes) => {
        const [header, ...rest] = valid[which]!;
        const damaged = Uint8Array.from(header!);
        for (const [at, value] of writes) damaged[at % damaged.length] = value;
        expectHarmless([damaged, ...rest]);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('random', () => {
  test('bytes', () => {
    const frame = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 4 }), (frames) => expectHarmless(frames)),
      { numRuns: 5000 },
    );
  });

  test('values', () => {
    const value = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withSparseArray: true,
    });
    fc.assert(
      fc.property(value, (anything) => {
        let frame: Uint8Array;
        try {
          frame = packr.pack(anything);
        } catch {
          return; // not every value can be packed
        }
        expectRefused([frame]);
      }),
      { numRuns: 3000 },
    );
  });

  test('fields of a valid message', () => {
    const messages = [...WORKER_MESSAGES, ...COORDINATOR_MESSAGES];
    fc.assert(
      fc.property(fc.nat(messages.length - 1), fc.nat(), fc.anything(), (which, key, value) => {
        const message = { ...messages[which]! };
        const keys = Object.keys(message);
        expectHarmless([packr.pack({ ...message, [keys[key % keys.length]!]: value })]);
      }),
      { numRuns: 3000 },
    );
  });
});
