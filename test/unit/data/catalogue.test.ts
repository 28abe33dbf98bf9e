/** Everything that is listed is there: a test file for each format, and a format and a folder for each set in the package. */

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BUILTIN_SETS, FORMATS } from '../../../src/data/catalogue.js';
import { packageFolder } from '../../../src/process/package-folder.js';

test('each format has its cases in a file of its name', () => {
  const tested = readdirSync(join(packageFolder, 'test/unit/data/format')).map((name) => name.replace('.test.ts', ''));
  const message = 'To mend: the file test/unit/data/format/NAME.test.ts calls describeFormat (test/support/format-cases.ts).';
  expect([...FORMATS.keys()].sort(), message).toEqual(tested.sort());
});

test.each([...BUILTIN_SETS])('%s is of a format of the catalogue, and in the package', (_, { format, folder, parts }) => {
  expect(FORMATS.get(format)?.parts).toEqual(expect.arrayContaining([...parts]));
  expect(existsSync(join(packageFolder, folder))).toBe(true);
});
