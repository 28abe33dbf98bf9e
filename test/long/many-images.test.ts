/** The index of a folder of images that has more of them than a call of a function has arguments. */

import { linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { indexFolder } from '../../src/data/folder-index.js';

/** A file has at most 65,000 names in some file systems. */
const NAMES_OF_A_FILE = 50_000;

test('130,000 images in a folder within a class are found', async () => {
  const set = mkdtempSync(join(tmpdir(), 'stillhouse index '));
  try {
    const [cat, dog] = ['train/cat/all', 'train/dog'].map((name) => join(set, name)) as [string, string];
    for (const folder of [cat, dog]) mkdirSync(folder, { recursive: true });
    writeFileSync(join(dog, '0.jpg'), '');
    for (let i = 0; i < 130_000; i++) {
      const first = i - (i % NAMES_OF_A_FILE);
      if (i === first) writeFileSync(join(cat, `${i}.jpg`), '');
      else linkSync(join(cat, `${first}.jpg`), join(cat, `${i}.jpg`));
    }
    expect((await indexFolder(set, 'train')).count).toBe(130_001);
  } finally {
    rmSync(set, { recursive: true });
  }
});
