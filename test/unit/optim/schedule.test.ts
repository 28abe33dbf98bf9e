import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PeerRecipe, ScheduleRecipe } from '../../../src/config/schema.js';
import { rateAt } from '../../../src/optim/schedule.js';

function stageWith(schedule: ScheduleRecipe, epochs = 10): Pick<PeerRecipe, 'optimizer' | 'schedule' | 'epochs'> {
  return { epochs, schedule, optimizer: { name: 'sgd', rate: 0.4, momentum: 0, nesterov: false, weightDecay: 0, decayAll: false } };
}

const constant: ScheduleRecipe = { name: 'constant', warmupEpochs: 0 };
const warm: ScheduleRecipe = { name: 'constant', warmupEpochs: 2 };
const cosine: ScheduleRecipe = { name: 'cosine', warmupEpochs: 0, final: 0 };
const warmCosine: ScheduleRecipe = { name: 'cosine', warmupEpochs: 2, final: 0.1 };
const step: ScheduleRecipe = { name: 'step', warmupEpochs: 0, epochs: [4, 8], factor: 0.1 };
const warmStep: ScheduleRecipe = { name: 'step', warmupEpochs: 2, epochs: [1, 4], factor: 0.5 };

describe('rateAt, 1,000 samples an epoch, 10 epochs, rate .4', () => {
  test.each([
    ['constant', constant, 0, 0.4],
    ['constant', constant, 9_999, 0.4],
    ['warm-up starts at 0', warm, 0, 0],
    ['warm-up', warm, 500, 0.1],
    ['warm-up is done', warm, 2_000, 0.4],
    ['cosine', cosine, 0, 0.4],
    ['cosine', cosine, 2_500, 0.2 * (1 + Math.SQRT1_2)],
    ['cosine, half way', cosine, 5_000, 0.2],
    ['cosine at the end', cosine, 10_000, 0],
    ['cosine beyond the end', cosine, 11_000, 0],
    ['cosine in warm-up', warmCosine, 1_000, 0.2],
    ['cosine after warm-up', warmCosine, 2_000, 0.4],
    ['cosine, half way after warm-up', warmCosine, 6_000, 0.4 * 0.55],
    ['cosine to its final share', warmCosine, 10_000, 0.04],
    ['step', step, 3_999, 0.4],
    ['step, at the first mark', step, 4_000, 0.04],
    ['step, at the second mark', step, 8_000, 0.004],
    ['step in warm-up', warmStep, 1_000, 0.1],
    ['step after warm-up', warmStep, 2_000, 0.2],
  ] as const)('%s: %#', (_, schedule, samples, expected) => {
    expect(rateAt(stageWith(schedule), { samples, samplesPerEpoch: 1000 })).toBeCloseTo(expected, 12);
  });

  test('warm-up as long as the stage, with a cosine', () => {
    const schedule: ScheduleRecipe = { name: 'cosine', warmupEpochs: 10, final: 0 };
    expect(rateAt(stageWith(schedule), { samples: 5_000, samplesPerEpoch: 1000 })).toBeCloseTo(0.2, 12);
    expect(Number.isFinite(rateAt(stageWith(schedule), { samples: 10_000, samplesPerEpoch: 1000 }))).toBe(true);
  });

  test('never negative, never above the rate', () => {
    fc.assert(
      fc.property(fc.constantFrom(constant, warm, cosine, warmCosine, step, warmStep), fc.nat(20_000), (schedule, samples) => {
        const rate = rateAt(stageWith(schedule), { samples, samplesPerEpoch: 1000 });
        return rate >= 0 && rate <= 0.4 + 1e-12;
      }),
    );
  });
});
