/** The tensors that the cells of a row give each other within a step, and their use: pure. */

import { expect, test } from 'vitest';
import { LIMITS } from '../../../src/base/limits.js';
import type { LossMethod } from '../../../src/losses/loss-method.js';
import { joinTerms } from '../../../src/losses/stage-loss.js';
import type { Knowledge, SampleSpec } from '../../../src/tensor/knowledge.js';
import { rowUse } from '../../../worker/student/exchange-use.js';
import { partsOf, pickGiven } from '../../../worker/student/given-part.js';
import { distilStage } from '../../support/training.js';

const tap = (layer: string): SampleSpec => ({ of: 'tap', layer, reduce: null });
const method: LossMethod = { sum: () => expect.unreachable() };
const termOf = (key: string, isGathered: boolean, layers: readonly string[]) => ({
  plan: { key, weight: 1, knobs: {}, settings: { taps: [], weights: [], constants: {} } },
  from: 'teacher' as const,
  needs: { student: layers.map(tap), other: layers.map(tap), adapters: [] },
  method,
  isGathered,
});
/** One number for each of these rows. */
const rows = (...data: number[]) => ({ shape: [data.length, 1], data: Float32Array.from(data) });
const plain = (...classes: number[]) => ({ classes: Int32Array.from(classes), mixed: null });
/** Labels of images that are mixed of these classes and of the next ones. */
const mixed = (...classes: number[]) => ({
  classes: Int32Array.from(classes),
  mixed: { second: Int32Array.from(classes, (own) => own + 1), share: Float32Array.from(classes, (own) => own / 8) },
});
/** The cell's own. */
const LABELS = plain(2, 3);

// The logits and `alone` are of no gathered term; both models have a layer of the name `both`.
const loss = joinTerms({ weight: 1, smoothing: 0 }, [termOf('own', false, ['alone']), termOf('all', true, ['both'])]);
const training = { stage: distilStage(), loss, otherShapes: [[1], [1]], gatheredShapes: { student: [[1]], other: [[1]] }, seed: 1 };
const use = rowUse(training, [
  { isBefore: true, labels: [plain(1)] },
  { isBefore: false, labels: [plain(4, 5)] },
]);

test('a cell gives what the gathered terms take of its model and of its teacher, and nothing else', () => {
  const student: Knowledge = [rows(0, 0), rows(7, 7), rows(2, 3)];
  const fromTeacher: Knowledge = [rows(8, 8), rows(-2, -3)];
  expect(use.given({ student, fromTeacher, labels: LABELS })).toEqual([rows(2, 3), rows(-2, -3)]);
  expect(use.parts.map(({ side, specs }) => [side, specs])).toEqual([
    ['own', [tap('both')]],
    ['other', [tap('both')]],
  ]);
});

test('the rest of the batch has the rows of the others in the order of the columns', () => {
  const fromTeacher: Knowledge = [rows(8, 8), rows(-2, -3)];
  const taken: Knowledge[] = [
    [rows(1), rows(-1)],
    [rows(4, 5), rows(-4, -5)],
  ];
  expect(use.placeAt(1)).toEqual({ before: 1, others: 3 });
  expect(use.answersAt(1, { student: [], fromTeacher, labels: LABELS }, taken)).toEqual({
    labels: LABELS,
    other: fromTeacher,
    rest: { before: 1, labels: plain(1, 4, 5), student: [rows(1, 4, 5)], other: [rows(-1, -4, -5)] },
  });
});

test('labels of mixed images of the others follow each other, too', () => {
  const members = [
    { isBefore: true, labels: [mixed(1)] },
    { isBefore: false, labels: [mixed(4, 5)] },
  ];
  const answers = rowUse(training, members).answersAt(1, { student: [], fromTeacher: [], labels: mixed(2, 3) }, [
    [rows(1), rows(-1)],
    [rows(4, 5), rows(-4, -5)],
  ]);
  expect(answers).toMatchObject({ labels: mixed(2, 3), rest: { before: 1, labels: mixed(1, 4, 5) } });
});

test('a tensor that is asked for is found by its side and its spec, and one that is not given is named', () => {
  const given: Knowledge = [rows(1), rows(2)];
  expect(pickGiven(use.parts, given, { side: 'other', specs: [tap('both')] })).toEqual({ knowledge: [rows(2)] });
  expect(pickGiven(use.parts, given, { side: 'own', specs: [tap('alone')] })).toEqual({
    unknown: "this cell gives its tap both, its teacher's tap both, and not its tap alone",
  });
});

test('more tensors than one request may ask for are several parts', () => {
  const specs = Array.from({ length: LIMITS.specs + 1 }, (_, i) => tap(`layer${i}`));
  const parts = partsOf({ side: 'own', specs, shapes: specs.map(() => [1]) });
  expect(parts.map((part) => [part.specs.length, part.shapes.length])).toEqual([
    [LIMITS.specs, LIMITS.specs],
    [1, 1],
  ]);
  expect(parts.flatMap((part) => part.specs)).toEqual(specs);
});
