/** A run folder of an earlier format is refused by every command, with both versions named, and is left as it was. */

import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { RUN_FORMAT, RUN_FORMAT_FILE, requireRunFormat } from '../../../src/checkpoint/run-format.js';
import { EXIT } from '../../../src/errors/table.js';
import { distFolder } from '../../../src/process/package-folder.js';
import { writeOldRun } from '../../support/old-run.js';
import { scratchFolder } from '../shell/scratch-folder.js';

function run(program: string, ...args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(distFolder, program), ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr });
    });
  });
}

/** Every file with its bytes. */
function contentOf(folder: string): Readonly<Record<string, string>> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    names.map((name) => [name, statSync(join(folder, name)).isFile() ? readFileSync(join(folder, name), 'latin1') : 'a folder']),
  );
}

describe('a run folder of format 1', () => {
  test.each([
    ['resume', (old: string) => ['src/cli/main.js', 'resume', old]],
    ['export', (old: string) => ['src/cli/main.js', 'export', old, '--out', join(old, '..', 'model')]],
    ['coordinator --resume', (old: string) => ['src/cli/main.js', 'coordinator', '--resume', old, '--listen', 'tcp://127.0.0.1:*']],
    [
      "the coordinator's process",
      (old: string) => ['coordinator/main.js', JSON.stringify({ resume: old, listen: 'tcp://127.0.0.1:*', insecure: false })],
    ],
  ] as const)('%s refuses it, names both formats, and changes nothing', async (_, commandOf) => {
    const old = writeOldRun(scratchFolder());
    const before = contentOf(old);
    const [program = '', ...args] = commandOf(old);
    const { code, output } = await run(program, ...args);
    expect(output).toContain(`this run is of format 1, and this Stillhouse works with format ${RUN_FORMAT}`);
    expect(output).toContain('Go on with the version of Stillhouse that began it');
    expect(code).toBe(EXIT.usage);
    expect(contentOf(old)).toEqual(before);
  });
});

test.each([
  [`${RUN_FORMAT + 1}\n`, `format ${RUN_FORMAT + 1}`],
  ['', 'format unknown'],
  [`${RUN_FORMAT}x`, 'format unknown'],
])('a folder whose format is %j is refused too', (text, named) => {
  const folder = scratchFolder();
  writeFileSync(join(folder, RUN_FORMAT_FILE), text);
  expect(() => requireRunFormat(folder, { isNew: true })).toThrow(named);
});
