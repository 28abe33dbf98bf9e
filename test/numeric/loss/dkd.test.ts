import { describe, expect, test } from 'vitest';
import type { Prng } from '../../../src/base/prng.js';
import { LOSSES } from '../../../src/losses/catalogue.js';
import { dkd } from '../../../src/losses/dkd.js';
import { dkdDeclaration } from '../../../src/losses/dkd-declaration.js';
import { describeEachEngine } from '../../support/each-engine.js';
import { softmax, softTermOf } from '../../support/loss-reference.js';
import { describeLoss, type LossCase, runLoss, someLogitCase } from '../../support/loss-suite.js';
import { fromRows, type Plain, rows } from '../../support/plain-tensor.js';

const withKnobs =
  (knobs: Readonly<Record<string, number>>, classes = 7) =>
  (random: Prng, size: number) => ({ ...someLogitCase(random, size, classes), knobs });

/** KL(p || q). */
function divergence(p: readonly number[], q: readonly number[]): number {
  return p.reduce((sum, share, k) => sum + share * Math.log(share / q[k]!), 0);
}

/** The paper's formula for one sample: T^2 (alpha KL(b_t || b_s) + beta KL of the others). */
function decoupled(own: readonly number[], teacher: readonly number[], label: number, { alpha = 1, beta = 8, temperature = 4 }): number {
  const parts = (logits: readonly number[]) => {
    const p = softmax(logits, temperature);
    const others = p.filter((_, k) => k !== label);
    const rest = others.reduce((sum, share) => sum + share, 0);
    return { label: [p[label]!, rest], others: others.map((share) => share / rest) };
  };
  const [s, t] = [parts(own), parts(teacher)];
  return temperature ** 2 * (alpha * divergence(t.label, s.label) + beta * divergence(t.others, s.others));
}

const EXTREME: LossCase = {
  classes: 4,
  labels: [1, 0],
  student: [
    fromRows([
      [1e4, -1e4, 0, 1e4],
      [1e4, -1e4, -1e4, -1e4],
    ]),
  ],
  other: [
    fromRows([
      [-1e4, 1e4, 1e4, 0],
      [-1e4, 1e4, 0, -1e4],
    ]),
  ],
};

describeLoss({
  loss: LOSSES.dkd!,
  golden: 'dkd.json',
  cases: {
    'the defaults': withKnobs({}),
    'T = 1': withKnobs({ temperature: 1, beta: 0.5 }),
    'TCKD alone': withKnobs({ alpha: 2, beta: 0 }),
    'NCKD alone': withKnobs({ alpha: 0, beta: 2 }),
    'two classes': withKnobs({ temperature: 2 }, 2),
  },
  reference({ knobs, labels, student: [own], other: [teacher] }) {
    const targets = rows(teacher as Plain);
    return rows(own as Plain).reduce((sum, row, b) => sum + decoupled(row, targets[b]!, labels[b]!, knobs ?? {}), 0);
  },
  extremes: { 'logits of 1e4': EXTREME, 'logits of 1e4 at T = 1': { ...EXTREME, knobs: { temperature: 1 } } },
});

describeEachEngine(() => {
  const run = (own: readonly number[], teacher: readonly number[], knobs: Readonly<Record<string, number>>) =>
    runLoss(
      { declaration: dkdDeclaration, method: dkd },
      { classes: own.length, labels: [0], student: [fromRows([own])], other: [fromRows([teacher])], knobs },
    );

  describe('by hand', () => {
    // Student (1/3, 1/3, 1/3); teacher (1/2, 3/8, 1/8): the label against the others (1/2, 1/2), the others (3/4, 1/4).
    const own = [0, 0, 0];
    const teacher = [Math.log(4), Math.log(3), 0];
    const target = 0.5 * Math.log(0.5 / (1 / 3)) + 0.5 * Math.log(0.5 / (2 / 3));
    const others = 0.75 * Math.log(1.5) + 0.25 * Math.log(0.5);

    test.each([
      ['TCKD', { alpha: 1, beta: 0, temperature: 1 }, target],
      ['NCKD', { alpha: 0, beta: 1, temperature: 1 }, others],
      ['both, by their weights', { alpha: 2, beta: 8, temperature: 1 }, 2 * target + 8 * others],
    ] as const)('%s', (_, knobs, expected) => {
      expect(run(own, teacher, knobs).sum).toBeCloseTo(expected, 5);
    });

    test('NCKD gives the label no gradient, and the others p_s - p_t', () => {
      const { gradients } = run(own, teacher, { alpha: 0, beta: 1, temperature: 1 });
      [0, 0.5 - 0.75, 0.5 - 0.25].forEach((value, k) => {
        expect(gradients[0]![k]).toBeCloseTo(value, 6);
      });
    });
  });

  test("with beta the teacher's share of the other classes it is Hinton's term: alpha 1, beta 1 - p_t", () => {
    const [own, teacher] = [
      [0.5, -1, 2, 0.25],
      [3, 1, -0.5, 0],
    ];
    const [share] = softmax(teacher, 2);
    const { sum } = run(own, teacher, { alpha: 1, beta: 1 - share!, temperature: 2 });
    expect(sum).toBeCloseTo(softTermOf(own, teacher, 2), 5);
  });

  test('the label is absent from the others, however far below it they lie', () => {
    const { sum } = run([0, -1e4, -1e4 + 2], [0, -1e4, -1e4], { alpha: 0, beta: 1, temperature: 1 });
    expect(sum).toBeCloseTo(divergence([0.5, 0.5], softmax([0, 2])), 5);
  });

  test('logits of 1e4 keep their value: one class is all there is, and the distance is T times the logits', () => {
    // The teacher is sure of the label; the student's label is 2e4 / T below the first other class.
    const { sum } = run([-1e4, 1e4, 0], [1e4, 0, -1e4], { alpha: 1, beta: 0, temperature: 4 });
    expect(sum / (16 * (2e4 / 4))).toBeCloseTo(1, 5);
  });
});
