/** The launcher passes on that it was started with SIGHUP ignored, because Node sets ignored signals back. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const LAUNCHER = fileURLToPath(new URL('../../../deploy/local/stillhouse', import.meta.url));
const PROBE = `import { isHangUpIgnored } from ${JSON.stringify(new URL('../../../dist/src/process/hang-up.js', import.meta.url).href)};
console.log(isHangUpIgnored());`;

/** The output of the launcher in a shell that has done this before, with a `node` that shows what reaches it. */
function launched(before: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse launcher '));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const script = ['#!/bin/sh', 'STATE=$STILLHOUSE_HANG_UP', 'echo "$STATE, $#: $2, $3"'];
  writeFileSync(join(folder, 'node'), script.join('\n'), { mode: 0o755 });
  const env = { ...process.env, PATH: `${folder}:${process.env.PATH}` };
  const result = spawnSync('sh', ['-c', `${before} exec "$@"`, 'sh', LAUNCHER, 'run', 'my recipe.yaml'], { env, encoding: 'utf8' });
  expect(result).toMatchObject({ status: 0, stderr: '' });
  return result.stdout.trim();
}

test('the launcher says that SIGHUP is ignored, and passes its arguments on', () => {
  expect(launched("trap '' HUP;")).toBe('ignored, 3: run, my recipe.yaml');
  expect(launched('')).toBe(', 3: run, my recipe.yaml');
  expect(launched("trap '' INT QUIT TERM;"), 'other signals').toBe(', 3: run, my recipe.yaml');
});

test.each([
  ['an input that can only be written, as nohup leaves it', '0> /dev/null', 'true'],
  ['no input', '< /dev/null', 'false'],
  ['a closed input', '<&-', 'false'],
])('%s', (_what, input, expected) => {
  const command = `"$0" --input-type=module -e "$1" ${input}`;
  const result = spawnSync('sh', ['-c', command, process.execPath, PROBE], { encoding: 'utf8' });
  expect(result.stdout.trim(), result.stderr).toBe(expected);
});
