/** The training of each peer between two tests, added up. */

import { expect, test } from 'vitest';
import { columnsOf, type Grid, planGrid, withTrained } from '../../../coordinator/core/grid.js';
import { addRound, factsOf } from '../../../coordinator/core/learning.js';
import { asIncarnation, asRoundId, asTerm } from '../../../src/base/ids.js';
import type { WorkerMessageOf } from '../../../src/protocol/control.js';

type Figures = Pick<WorkerMessageOf<'worker.trained'>, 'samples' | 'terms' | 'gradients' | 'sameAsTeacher'>;

/** A round in which each of these students, two a column, trains `big` or `small`. */
function roundOf(...figures: readonly Figures[]): Grid {
  const students = figures.map((_, i) => asIncarnation(i + 1));
  const grid = planGrid([{ start: 0, end: 8 }], columnsOf(['big', 'small'], students), 8);
  const rest = { term: asTerm(1), round: asRoundId(1), lossSum: 0, correct: 0, trainMs: 1, waitedMs: 0, late: {} };
  return figures.reduce(
    (next, own, i) => withTrained(next, { type: 'worker.trained', ...rest, ...own, incarnation: asIncarnation(i + 1) }),
    grid,
  );
}

const figures = (samples: number, labels: number, rest: Partial<Figures> = {}): Figures => ({
  ...{ samples, terms: { labels: samples * labels, hinton: samples }, gradients: {}, sameAsTeacher: null },
  ...rest,
});

test('the losses are means over the samples of all rounds and replicas; the gradients are those of the last measurement', () => {
  const first = roundOf(figures(4, 2), figures(4, 5), figures(4, 4), figures(4, 5));
  const second = roundOf(figures(8, 6, { gradients: { labels: 1, hinton: 3 }, sameAsTeacher: 6 }), figures(8, 1, { sameAsTeacher: 8 }));
  const learning = addRound(addRound({}, first), second);
  expect(factsOf(learning.big)).toEqual({
    terms: { labels: { loss: (4 * 2 + 4 * 4 + 8 * 6) / 16, share: 0.25 }, hinton: { loss: 1, share: 0.75 } },
    sameAsTeacher: 6 / 16,
  });
  expect(factsOf(learning.small)).toEqual({
    terms: { labels: { loss: (4 * 5 + 4 * 5 + 8 * 1) / 16, share: null }, hinton: { loss: 1, share: null } },
    sameAsTeacher: 0.5,
  });
});

test('gradients that are all 0 have no share; without training there are no facts', () => {
  const learning = addRound({}, roundOf(figures(8, 1, { gradients: { labels: 0, hinton: 0 } }), figures(8, 1)));
  expect(factsOf(learning.big)?.terms.labels?.share).toBeNull();
  expect(factsOf(undefined)).toBeNull();
});
