import { describe, expect, test } from 'vitest';
import type { PeerRecipe, TermRecipe } from '../../../src/config/schema.js';
import { attentionTransferDeclaration } from '../../../src/losses/attention-transfer-declaration.js';
import { dkdDeclaration } from '../../../src/losses/dkd-declaration.js';
import { keysOfTerms, type LossPlan, longForm, lossKnobsAt, planTerm } from '../../../src/losses/loss-plan.js';

const distil = (loss: object): Pick<PeerRecipe, 'loss'> => ({ loss: loss as PeerRecipe['loss'] });

describe('the long form of the short one', () => {
  test('gives the labels what alpha leaves', () => {
    expect(longForm(distil({ temperature: 3, alpha: 0.25, labelSmoothing: 0.1 }))).toEqual({
      labels: { weight: 0.75, smoothing: 0.1 },
      terms: [{ loss: 'hinton', weight: 0.25, temperature: 3 }],
    });
  });

  test('has both weights follow a schedule, and add up to 1 at every moment', () => {
    for (const schedule of ['constant', 'linear', 'cosine'] as const) {
      const { labels, terms } = longForm(distil({ temperature: 4, alpha: { schedule, from: 0.9, to: 0.2, epochs: 3 }, labelSmoothing: 0 }));
      const plan: LossPlan = { labels, terms: [{ key: 'hinton', weight: terms[0]!.weight!, knobs: {}, settings: NOTHING }] };
      for (const epoch of [0, 0.7, 1.5, 3, 9]) {
        const knobs = lossKnobsAt(plan, { epoch, epochs: 10 });
        expect(knobs['labels.weight']! + knobs['hinton.weight']!).toBeCloseTo(1, 12);
      }
    }
  });

  test('is the labels alone in a train stage', () => {
    expect(longForm({ loss: { labelSmoothing: 0.2 } })).toEqual({ labels: { weight: 1, smoothing: 0.2 }, terms: [] });
  });
});

const NOTHING = { taps: [], weights: [], constants: {} };

describe('the plan of a term', () => {
  test('has the defaults of the declaration, and what the recipe says instead', () => {
    expect(planTerm({ loss: 'dkd', beta: 2 }, dkdDeclaration, 'dkd')).toEqual({
      key: 'dkd',
      weight: { schedule: 'linear', from: 0, to: 1, epochs: 20 },
      knobs: { alpha: 1, beta: 2, temperature: 4 },
      settings: NOTHING,
    });
    const taps = [['a', 'b'] as const, ['c', 'd'] as const];
    expect(planTerm({ loss: 'attention-transfer', weight: 0, taps }, attentionTransferDeclaration, 'at')).toEqual({
      key: 'at',
      weight: 0,
      knobs: {},
      settings: { taps, weights: [1, 1], constants: { p: 2 } },
    });
  });

  test('has the same names of numbers at every moment', () => {
    const term = planTerm({ loss: 'dkd', alpha: { schedule: 'linear', from: 0, to: 4 } }, dkdDeclaration, 'dkd');
    const plan: LossPlan = { labels: { weight: 0.5, smoothing: 0 }, terms: [term] };
    const at = (epoch: number) => lossKnobsAt(plan, { epoch, epochs: 40 });
    expect(at(0)).toEqual({ 'labels.weight': 0.5, 'dkd.weight': 0, 'dkd.alpha': 0, 'dkd.beta': 8, 'dkd.temperature': 4 });
    expect(at(10)).toEqual({ 'labels.weight': 0.5, 'dkd.weight': 0.5, 'dkd.alpha': 1, 'dkd.beta': 8, 'dkd.temperature': 4 });
    expect(at(40)).toEqual({ 'labels.weight': 0.5, 'dkd.weight': 1, 'dkd.alpha': 4, 'dkd.beta': 8, 'dkd.temperature': 4 });
  });
});

test('every term has a key of its own', () => {
  const terms: readonly TermRecipe[] = [
    { loss: 'hinton' },
    { loss: 'dkd' },
    { loss: 'hinton' },
    { module: '/somewhere/my loss.v2.mjs' },
    { module: '/elsewhere/hinton-2.mjs' },
    { module: '/elsewhere/labels.mjs' },
  ];
  expect(keysOfTerms(terms)).toEqual(['hinton', 'dkd', 'hinton-2', 'my-loss-v2', 'hinton-2-2', 'labels-2']);
});
