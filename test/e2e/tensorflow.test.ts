/** Whole runs on the engine tensorflow: teacher and students as processes, their steps as graphs, and one that is killed. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { auditRun } from '../support/audit.js';
import { summaryOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';
import { smallRecipe } from '../support/small-recipe.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';

const room = useRunRoom();

describeTensorflow('on tensorflow', () => {
  test('a run ends well though a student loses its engine in mid-stage, every stage runs as graphs, and the export is what was trained', async () => {
    const small = smallRecipe({ engine: 'tensorflow', studentEpochs: 10 }) as { readonly stages: object };
    const recipe = { ...small, stages: { ...small.stages, out: { kind: 'export', of: 'student' } } };
    const cli = room.start('run', room.recipe(recipe), '--out', room.runs, '--json');
    const { run } = await cli.said('run-started');
    await cli.said('progress', ({ stage, committed, samples }) => stage === 'student' && committed > samples / 5);
    process.kill(room.engine('student-1'), 'SIGKILL');
    expect(await cli.exit()).toBe(0);

    const folder = join(room.runs, run);
    expect(await auditRun(folder)).toEqual({ teacher: [], student: [] });
    expect(summaryOf(folder)).toMatchObject({ engine: 'tensorflow', restarts: 1 });
    const gone = cli.linesOf('worker-gone');
    expect(gone).toMatchObject([{ worker: 'student-1', reason: expect.stringMatching(/the engine tensorflow ended: signal SIGKILL/) }]);
    const how = { engine: 'tensorflow', traced: true, precision: 'fp32', note: null };
    const prepared = cli.linesOf('worker-prepared');
    expect(new Set(prepared.map(({ stage, role }) => `${stage} ${role}`))).toEqual(
      new Set(['teacher student', 'student student', 'student teacher']),
    );
    for (const line of prepared) expect(line).toMatchObject(how);
    expect(cli.stderr, 'nothing of what libraries say of themselves').not.toMatch(/oneDNN|absl/);

    // The stage's export comes from a program with its parameters in a session, the command's from the checkpoint.
    const out = join(room.folder, 'from the checkpoint');
    expect(await room.start('export', folder, '--stage', 'student', '--out', out).exit()).toBe(0);
    expect(readFileSync(join(folder, 'export', 'student', 'weights.bin')).equals(readFileSync(join(out, 'weights.bin')))).toBe(true);
  });
});
