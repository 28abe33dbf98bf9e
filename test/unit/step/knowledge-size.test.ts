import { expect, test } from 'vitest';
import type { LossSide } from '../../../src/losses/stage-loss.js';
import { shapesFrom } from '../../../src/step/knowledge-size.js';
import { LOGITS_SPEC } from '../../../src/tensor/knowledge.js';

const map = { of: 'tap', layer: 'conv', reduce: null } as const;
const teacher: LossSide = { from: 'teacher', specs: [LOGITS_SPEC, map], count: 1 };
const peers: LossSide = { from: 'peers', specs: [LOGITS_SPEC], count: 2 };

test.each([
  ['teacher', [teacher], [[10], [7, 7, 3]], [[10], [7, 7, 3]]],
  ['teacher', [teacher, peers], [[10], ['view'], [20], [30]], [[10], ['view']]],
  ['peers', [teacher, peers], [[10], [7, 7, 3], [20], [30]], [[20], [30]]],
  ['peers', [peers], [[20], [30]], [[20], [30]]],
  ['teacher', [peers], [[20], [30]], []],
  ['teacher', [], [], []],
] as const)('the tensors from the %s of sides %j', (from, sides, otherShapes, expected) => {
  expect(shapesFrom({ loss: { sides }, otherShapes }, from)).toEqual(expected);
});
