import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EXIT } from '../../../src/errors/table.js';
import { packageFolder } from '../../../src/process/package-folder.js';

test('the table of deploy/README.md has the exit codes there are', () => {
  const text = readFileSync(join(packageFolder, 'deploy/README.md'), 'utf8');
  const codes = [...text.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
  expect(codes).toEqual(Object.values(EXIT));
  expect(codes.every((code) => code <= 125 || code === EXIT.hungUp || code === EXIT.interrupted || code === EXIT.terminated)).toBe(true);
});
