/** Two students in processes of their own that learn from relations of their gathered batch: the exported model is that of one student. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { present } from '../../src/base/assert.js';
import { auditRun } from '../support/audit.js';
import { useRunRoom } from '../support/run-room.js';
import { smallRecipe } from '../support/small-recipe.js';

const room = useRunRoom();

const SHARED = { every: 1, batch: { global: 16 }, optimizer: { name: 'sgd', rate: 0.03, momentum: 0.9 } };

/** The exported parameters of a run with so many students. */
async function exported(students: number): Promise<Float32Array> {
  const { stages, ...recipe } = smallRecipe({ engine: 'cpu', students, images: 64, testImages: 50 }) as { stages: Record<string, object> };
  const loss = { terms: [{ loss: 'hinton' }, { loss: 'rkd', weight: 0.1, taps: [['conv2', 'flatten']], batch: 'gathered' }] };
  const gathered = {
    teacher: { ...stages.teacher, ...SHARED },
    student: { ...stages.student, ...SHARED, epochs: 2, loss },
    out: { kind: 'export', of: 'student' },
  };
  const cli = room.start('run', room.recipe({ ...recipe, stages: gathered }), '--out', room.runs, '--json', '--force');
  expect(await cli.exit(), cli.stderr).toBe(0);
  const run = join(room.runs, cli.linesOf('run-started')[0]?.run ?? '');
  expect(await auditRun(run)).toEqual({ teacher: [], student: [] });
  const bytes = readFileSync(join(run, 'export', 'student', 'weights.bin'));
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

test('a run of two students exports what a run of one does', async () => {
  const [two, one] = [await exported(2), await exported(1)];
  const apart = two.reduce((most, value, i) => Math.max(most, Math.abs(value - present(one[i], 'a parameter'))), 0);
  expect(apart).toBeLessThan(1e-5);
});
