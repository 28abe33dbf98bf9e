/** Terms of every kind in one run of processes: logits, reduced maps, and a user's module with maps as they are and an adapter, another by the rule; all in float16. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { auditRun } from '../support/audit.js';
import { summaryOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';
import { smallRecipe } from '../support/small-recipe.js';

const room = useRunRoom();

/** FitNets (arXiv 1412.6550): the student's map, brought to the teacher's channels by a trained 1x1 convolution. */
const HINT = `
export const declaration = {
  paper: 'arXiv 1412.6550',
  takesTaps: true,
  constants: { power: { default: 2, min: 1, whole: true } },
  needs: ({ taps: [[own, teacher]] }, shapes) => ({
    student: [{ of: 'tap', layer: own }],
    other: [{ of: 'tap', layer: teacher }],
    adapters: [{ name: 'regressor', shape: [1, 1, shapes.student(own)[2], shapes.other(teacher)[2]], initial: 'kaiming' }],
  }),
};
export function sum({ student: [own], other: [teacher], adapters: { regressor }, settings }, knobs, { core: tf }) {
  const difference = tf.sub(tf.conv2d(own, regressor, 1, 'same'), teacher);
  return { sum: tf.mul(tf.mean(tf.pow(difference, settings.constants.power)), own.shape[0]), count: own.shape[0] };
}
`;

/** Maps of other sizes and channels, brought to one shape by the rule of the package. */
const ADAPTED = `
export const declaration = { takesTaps: true, adapts: true };
export function sum({ student: [own], other: [teacher] }, knobs, { core: tf }) {
  return { sum: tf.mul(tf.mean(tf.squaredDifference(own, teacher)), own.shape[0]), count: own.shape[0] };
}
`;

test('they train together, and only the student is exported, and teaches', async () => {
  writeFileSync(join(room.folder, 'hint.mjs'), HINT);
  writeFileSync(join(room.folder, 'adapted.mjs'), ADAPTED);
  const recipe = smallRecipe({ images: 160, studentEpochs: 4 }) as { models: object; stages: Record<string, object> };
  const taps = [['conv1', 'conv1']];
  const loss = {
    labels: { weight: { schedule: 'linear', from: 1, to: 0.5 }, smoothing: 0.1 },
    terms: [
      { loss: 'dkd', beta: 2 },
      { loss: 'attention-transfer', taps, weight: 100 },
      { module: 'hint.mjs', taps, weight: 0.5 },
      { module: 'adapted.mjs', taps: [['conv1', 'conv2']], weight: 0.5 },
    ],
  };
  const stages = {
    ...recipe.stages,
    student: { ...recipe.stages.student, wire: 'half', loss },
    // Its teacher has the student's parameters, and nothing of the adapter that trained with them.
    pupil: { ...recipe.stages.student, teacher: 'student', epochs: 1 },
    out: { kind: 'export', of: 'student' },
  };
  // The teacher has learned hardly anything: what is tested is not what they learn.
  const cli = room.start('run', room.recipe({ ...recipe, stages }), '--out', room.runs, '--json', '--force');
  expect(await cli.exit(), cli.stderr).toBe(0);

  const run = join(room.runs, cli.linesOf('run-started')[0]?.run ?? '');
  expect(await auditRun(run)).toEqual({ teacher: [], student: [], pupil: [] });
  expect(summaryOf(run).models.student).toMatchObject({ parameters: 4266 });
  const weights = readFileSync(join(run, 'export', 'student', 'weights.bin'));
  expect(weights.byteLength).toBe(4 * 4266);
});
