import { expect, test } from 'vitest';
import { LOSSES } from '../../../src/losses/catalogue.js';
import { gradientAttention } from '../../../src/losses/gradient-attention.js';
import { gradientAttentionDeclaration } from '../../../src/losses/gradient-attention-declaration.js';
import { describeEachEngine } from '../../support/each-engine.js';
import { describeLoss, type LossCase, runLoss } from '../../support/loss-suite.js';
import { maps, plainMap } from '../../support/map-case.js';

const filled = (value: number) => plainMap(2, 2, 1, Array<number>(8).fill(value));
const extreme = (own: number, teacher: number): LossCase => ({
  classes: 2,
  labels: [0, 1],
  student: [filled(own)],
  other: [filled(teacher)],
});

describeLoss({
  loss: LOSSES['gradient-attention']!,
  golden: 'gradient-attention.json',
  cases: {
    'pictures of one channel': maps([
      [
        [4, 3, 1],
        [4, 3, 1],
      ],
    ]),
    'pictures in colour': maps([
      [
        [2, 2, 3],
        [2, 2, 3],
      ],
    ]),
  },
  reference: ({ student: [own], other: [teacher] }) => own!.data.reduce((sum, value, i) => sum + (value - teacher!.data[i]!) ** 2, 0),
  extremes: { 'large gradients': extreme(1e15, -1e15), 'gradients of 0': extreme(0, 0), 'tiny gradients': extreme(1e-25, 0) },
});

describeEachEngine(() => {
  test('by hand: the squares of the differences, added up over the pixels, not averaged', () => {
    const call = { classes: 2, labels: [0], student: [plainMap(1, 2, 1, [1, -2])], other: [plainMap(1, 2, 1, [0, 1])] };
    const { sum, count, gradients } = runLoss({ declaration: gradientAttentionDeclaration, method: gradientAttention }, call);
    expect([sum, count, gradients]).toEqual([10, 1, [[2, -6]]]);
  });
});
