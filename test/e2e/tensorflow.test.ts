/** Whole runs on the engine tensorflow: teacher and students as processes, their steps as graphs, one that is killed, and the export. */

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
  test('a run ends well though a student loses its engine in mid-stage, and every stage runs as graphs', async () => {
    const recipe = smallRecipe({ engine: 'tensorflow', studentEpochs: 10 }) as { stages: object };
    const stages = { ...recipe.stages, out: { kind: 'export', of: 'student' } };
    const cli = room.start('run', room.recipe({ ...recipe, stages }), '--out', room.runs, '--json');
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

    // The parameters of the last checkpoint, which a graph's session has had, and not those that the model began with.
    const again = join(room.folder, 'exported');
    const command = room.start('export', folder, '--stage', 'student', '--out', again);
    expect(await command.exit(), command.stderr).toBe(0);
    const [ofRun, ofCheckpoint] = [join(folder, 'export', 'student'), again].map((part) => readFileSync(join(part, 'weights.bin')));
    expect(ofRun?.equals(ofCheckpoint as Buffer)).toBe(true);
  });
});
