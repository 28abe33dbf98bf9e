/** An export from a run whose journal was cut warns on the screen and, with --json, in its result. */

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createRunFolder } from '../../../coordinator/shell/run-folder.js';
import { openCheckpointStore } from '../../../src/checkpoint/store.js';
import { distFolder } from '../../../src/process/package-folder.js';
import { contentOf, stateOf } from '../checkpoint/content.js';
import { tinyRecipe } from '../shell/recipe.js';
import { scratchFolder } from '../shell/scratch-folder.js';

test('the result has the warnings, as the summary of a run has', async () => {
  const recipe = tinyRecipe();
  const [stage = ''] = Object.keys(recipe.stages);
  const folder = await createRunFolder({ runsFolder: scratchFolder(), recipe, wallMs: 0 });
  const store = await openCheckpointStore(folder.checkpoints);
  await store.put(contentOf(2, { state: stateOf(2, stage) }));
  writeFileSync(folder.journal, '');
  const program = join(distFolder, 'src/cli/main.js');
  const args = ['export', folder.path, '--stage', stage, '--out', join(scratchFolder(), 'model'), '--json'];
  const printed = execFileSync(process.execPath, [program, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const last = JSON.parse(printed.trim().split('\n').at(-1) ?? '');
  expect(last).toMatchObject({ type: 'export', epoch: null });
  expect(last.warnings).toContainEqual(
    expect.stringMatching(/epoch and accuracy of the model are not known: .* the last lines are missing/),
  );
});
