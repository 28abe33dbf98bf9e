import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { classNamesOf } from '../../../src/data/class-names.js';
import { scratchFolder } from '../shell/scratch-folder.js';

test.each([
  ['cifar10', 'fine', 'batches.meta.txt', 10],
  ['cifar100', 'fine', 'fine_label_names.txt', 100],
  ['cifar100', 'coarse', 'coarse_label_names.txt', 20],
])('the classes of %s, %s, are those of its file, where that is whole', async (format, labels, file, classes) => {
  const path = scratchFolder();
  const data = { path, format, labels, splits: { all: { part: 'train', from: 0 } } };
  const names = Array.from({ length: classes }, (_, i) => `class ${i}`);
  expect(await classNamesOf(data)).toBeNull();
  writeFileSync(join(path, file), `${names.join('\r\n')}\n\n`);
  expect(await classNamesOf(data)).toEqual(names);
  writeFileSync(join(path, file), names.slice(1).join('\n'));
  expect(await classNamesOf(data)).toBeNull();
});
