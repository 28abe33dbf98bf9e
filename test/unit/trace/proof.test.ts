import { describe, expect, test } from 'vitest';
import { PROOF_TOLERANCE, type ProofOptions, relativeError, replayFault, type StepTrail } from '../../../src/trace/proof.js';

const before = { parameters: Float32Array.of(1, 2), slots: Float32Array.of(0, 0) };
const eager: StepTrail = {
  results: { loss: Float32Array.of(8), logits: Float32Array.of(3, 4) },
  parameters: Float32Array.of(1.5, 2.5),
  slots: Float32Array.of(3, 4),
};
const entries = [{ name: 'dense/kernel', kind: 'kernel' as const, offset: 0, size: 2, trainable: true }];
const faultOf = (replay: Partial<StepTrail>, changes: Partial<ProofOptions> = {}) =>
  replayFault({ before, eager, replay: { ...eager, ...replay }, tolerance: PROOF_TOLERANCE.fp32, entries, ...changes });

describe('a replay', () => {
  test.each([
    ['the same', {}, null],
    ['a loss within the tolerance', { results: { ...eager.results, loss: Float32Array.of(8.0007) } }, null],
    ['another loss', { results: { ...eager.results, loss: Float32Array.of(8.08) } }, "the replay's loss is off by 1 %"],
    [
      'logits of which one is another',
      { results: { ...eager.results, logits: Float32Array.of(3, 4.5) } },
      "the replay's logits is off by 10 %",
    ],
    ['a result that is missing', { results: { loss: Float32Array.of(8) } }, "the replay's logits is off by Infinity %"],
    ['a loss that is no number', { results: { ...eager.results, loss: Float32Array.of(Number.NaN) } }, "the replay's loss is off by NaN %"],
    [
      'slots that have another gradient',
      { slots: Float32Array.of(3, 4.5) },
      'the replay changes the slots otherwise than the eager step, by 10 %',
    ],
    ['slots that have not moved', { slots: before.slots }, 'the replay changes the slots otherwise than the eager step, by 100 %'],
    ['weights up to rounding, which Adam makes much of', { parameters: Float32Array.of(1.5, 2.55) }, null],
    [
      'weights that went the other way',
      { parameters: Float32Array.of(0.5, 1.5) },
      'the replay changes the weights otherwise than the eager step, by 200 %',
    ],
    [
      'weights that are no numbers',
      { parameters: Float32Array.of(Number.NaN, 2) },
      'the replay changes the weights otherwise than the eager step, by NaN %',
    ],
  ] as [string, Partial<StepTrail>, string | null][])('%s', (_, replay, fault) => {
    expect(faultOf(replay)).toBe(fault);
  });

  test('without slots is known by its weights alone', () => {
    const none = { slots: new Float32Array(0) };
    const options = { before: { ...before, ...none }, eager: { ...eager, ...none } };
    expect(faultOf({ ...none, parameters: Float32Array.of(1.5, 2.504) }, options)).toBeNull();
    expect(faultOf({ ...none, parameters: Float32Array.of(1.5, 2.55) }, options)).toContain('changes the weights');
  });

  test('may not hide wrong weights behind statistics that move far, nor wrong statistics behind weights', () => {
    const apart = [
      { ...entries[0]!, size: 1 },
      { name: 'norm/moving_mean', kind: 'norm-mean' as const, offset: 1, size: 1, trainable: false },
    ];
    const options = { entries: apart, eager: { ...eager, parameters: Float32Array.of(1.5, 1000) } };
    expect(faultOf({ parameters: Float32Array.of(1.5, 1001) }, options)).toBeNull();
    expect(faultOf({ parameters: Float32Array.of(1, 1000) }, options)).toContain('changes the weights');
    expect(faultOf({ parameters: Float32Array.of(1.5, 1020) }, options)).toContain('changes the statistics');
  });

  test('may not hide a wrong row of a memory behind a number that moves far', () => {
    const kept = [0, 1].map((i) => ({ name: `memory:${i}`, kind: 'memory' as const, offset: i, size: 1, trainable: false }));
    const options = { entries: kept, eager: { ...eager, parameters: Float32Array.of(1.5, 1000) } };
    expect(faultOf({ parameters: Float32Array.of(1.5, 1001) }, options)).toBeNull();
    expect(faultOf({ parameters: Float32Array.of(1, 1000) }, options)).toContain('changes the memory:0');
  });

  test('of a step too small for its weights is compared by their rounding', () => {
    const large = { ...before, parameters: Float32Array.of(1e6, 2) };
    const moved = { ...eager, parameters: Float32Array.of(1e6 + 0.0625, 2) };
    expect(faultOf({ parameters: Float32Array.of(1e6, 2) }, { before: large, eager: moved })).toBeNull();
    expect(faultOf({ parameters: Float32Array.of(1e6 - 8, 2) }, { before: large, eager: moved })).toContain('changes the weights');
  });

  test('is not compared with an eager step that is not finite', () => {
    const diverged = { ...eager, results: { loss: Float32Array.of(Number.NaN) } };
    expect(faultOf(diverged, { eager: diverged })).toBe("the eager step's loss is not finite: a replay cannot be compared with it");
    const burst = { ...eager, slots: Float32Array.of(Number.POSITIVE_INFINITY, 0) };
    expect(faultOf(burst, { eager: burst })).toContain("the eager step's slots is not finite");
  });

  test('that moves what the eager step leaves alone is at fault, however little', () => {
    const still = { ...eager, slots: before.slots };
    expect(faultOf({ slots: Float32Array.of(1e-20, 0) }, { eager: still })).toContain('changes the slots');
    expect(faultOf({ slots: before.slots }, { eager: still })).toBeNull();
  });
});

test('a term that is nearly 0 is compared as if it were 1', () => {
  expect(relativeError(Float32Array.of(1e-6), Float32Array.of(3e-6), 1)).toBeCloseTo(2e-6, 9);
  expect(relativeError(Float32Array.of(1e-6), Float32Array.of(3e-6))).toBeCloseTo(2, 5);
  expect(relativeError(Float32Array.of(0), Float32Array.of(0))).toBe(0);
  expect(relativeError(Float32Array.of(0, 0), Float32Array.of(0))).toBe(Number.POSITIVE_INFINITY);
});
