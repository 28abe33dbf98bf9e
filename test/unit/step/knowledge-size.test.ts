import { expect, test } from 'vitest';
import type { LossSide } from '../../../src/losses/stage-loss.js';
import { numbersFrom } from '../../../src/step/knowledge-size.js';
import { LOGITS_SPEC } from '../../../src/tensor/knowledge.js';

const map = { of: 'tap', layer: 'conv', reduce: null } as const;
const teacher: LossSide = { from: 'teacher', specs: [LOGITS_SPEC, map], count: 1 };
const peers: LossSide = { from: 'peers', specs: [LOGITS_SPEC], count: 2 };

test.each([
  ['teacher', [teacher], [[10], [7, 7, 3]], 10 + 147],
  ['teacher', [teacher, peers], [[10], [7, 7, 3], [20], [30]], 10 + 147],
  ['peers', [teacher, peers], [[10], [7, 7, 3], [20], [30]], 20 + 30],
  ['peers', [peers], [[20], [30]], 20 + 30],
  ['teacher', [peers], [[20], [30]], 0],
  ['teacher', [], [], 0],
] as const)('the numbers from the %s of sides %j', (from, sides, otherShapes, numbers) => {
  expect(numbersFrom({ loss: { sides }, otherShapes }, from)).toBe(numbers);
});
