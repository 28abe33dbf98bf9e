/** A folder of a test's own, with a space in its name, removed afterwards. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse shell '));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}
