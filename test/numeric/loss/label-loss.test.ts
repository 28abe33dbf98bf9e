import { describe, expect, test } from 'vitest';
import type { Prng } from '../../../src/base/prng.js';
import type { CatalogueEntry } from '../../../src/losses/catalogue.js';
import { labelLoss } from '../../../src/losses/label-loss.js';
import type { LossDeclaration } from '../../../src/losses/loss-declaration.js';
import type { LossMethod } from '../../../src/losses/loss-method.js';
import { LOGITS_SPEC } from '../../../src/tensor/knowledge.js';
import { describeEachEngine } from '../../support/each-engine.js';
import { crossEntropyOf } from '../../support/loss-reference.js';
import { describeLoss, type LossCase, runLoss, someLogitCase } from '../../support/loss-suite.js';
import { fromRows, type Plain, rows } from '../../support/plain-tensor.js';

/** The labels are no term of a recipe, and are tested as if they were. */
const declaration: LossDeclaration = {
  paper: '',
  weight: 1,
  knobs: {},
  constants: { epsilon: { default: 0 } },
  takesTaps: false,
  takesOther: false,
  needs: () => ({ student: [LOGITS_SPEC], other: [], adapters: [] }),
};
const method: LossMethod = {
  sum({ student: [logits], labels, settings }) {
    return labelLoss({ logits_BK: logits as Parameters<typeof labelLoss>[0]['logits_BK'], labels, epsilon: settings.constants.epsilon! });
  },
};
const loss: CatalogueEntry = { declaration, load: async () => method };

const withEpsilon = (epsilon: number) => (random: Prng, size: number) => ({ ...someLogitCase(random, size, 7), constants: { epsilon } });
function mixedWith(epsilon: number): (random: Prng, size: number) => LossCase {
  return (random, size) => {
    const call = withEpsilon(epsilon)(random, size);
    const second = call.labels.map((label, b) => (label + b) % 7);
    return { ...call, mixed: { second, share: call.labels.map((_, b) => 1 - b / 8) } };
  };
}
const EXTREME: LossCase = { classes: 4, labels: [1], student: [fromRows([[1e4, -1e4, 0, 1e4]])], other: [] };

describeLoss({
  loss,
  golden: 'label-loss.json',
  cases: {
    'cross-entropy': withEpsilon(0),
    'label smoothing .1': withEpsilon(0.1),
    'label smoothing 1': withEpsilon(1),
    'mixed images': mixedWith(0),
    'mixed images with label smoothing': mixedWith(0.1),
  },
  reference({ student: [logits], labels, mixed, constants }) {
    return rows(logits as Plain).reduce((sum, row, b) => {
      const of = (label: number) => crossEntropyOf(row, label, constants?.epsilon ?? 0);
      const share = mixed?.share[b] ?? 1;
      return sum + share * of(labels[b]!) + (1 - share) * of(mixed?.second[b] ?? 0);
    }, 0);
  },
  extremes: { 'logits of 1e4': EXTREME, 'logits of 1e4, smoothed': { ...EXTREME, constants: { epsilon: 0.1 } } },
});

describeEachEngine(() => {
  describe('by hand', () => {
    const of = (logits: readonly number[], label: number, epsilon = 0) =>
      runLoss(
        { declaration, method },
        { classes: logits.length, labels: [label], student: [fromRows([logits])], other: [], constants: { epsilon } },
      );

    test('cross-entropy of equal logits is ln K, and its gradient the share too much or too little', () => {
      const { sum, count, gradients } = of([3, 3, 3, 3], 2);
      expect(sum).toBeCloseTo(Math.log(4), 6);
      expect(count).toBe(1);
      [0.25, 0.25, -0.75, 0.25].forEach((value, k) => {
        expect(gradients[0]![k]).toBeCloseTo(value, 6);
      });
    });

    test('label smoothing of logits (ln 3, 0) with epsilon .2: the target is (.9, .1), the prediction (.75, .25)', () => {
      const { sum, gradients } = of([Math.log(3), 0], 0, 0.2);
      expect(sum).toBeCloseTo(-0.9 * Math.log(0.75) - 0.1 * Math.log(0.25), 6);
      expect(gradients[0]![0]).toBeCloseTo(-0.15, 6);
      expect(gradients[0]![1]).toBeCloseTo(0.15, 6);
    });
  });
});
