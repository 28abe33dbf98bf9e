/** A temporary folder goes with its process, also when a signal ends that. */

import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { makeTemporaryFolder, removeTemporaryFolder } from '../../../src/process/temporary-folder.js';

const folders: string[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const folder of folders.splice(0)) await removeTemporaryFolder(folder);
});

function make(): string {
  const folder = makeTemporaryFolder('stillhouse test ');
  writeFileSync(join(folder, 'file'), 'x');
  folders.push(folder);
  return folder;
}

test('a signal ends the process as before, and the folders are gone', () => {
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
  const [one, two] = [make(), make()];
  process.emit('SIGHUP', 'SIGHUP');
  expect([existsSync(one), existsSync(two)]).toEqual([false, false]);
  expect(kill.mock.calls).toEqual([[process.pid, 'SIGHUP']]);
  // Nothing is left that would keep the second signal from ending the process.
  expect(process.listenerCount('SIGHUP')).toBe(0);
});

test('where another handler ends the process in order, the folder stays until it is removed', async () => {
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
  const heard = vi.fn();
  process.on('SIGHUP', heard);
  const folder = make();
  process.emit('SIGHUP', 'SIGHUP');
  process.off('SIGHUP', heard);
  expect(heard).toHaveBeenCalledOnce();
  expect(kill).not.toHaveBeenCalled();
  expect(existsSync(folder)).toBe(true);
  await removeTemporaryFolder(folder);
  expect(existsSync(folder)).toBe(false);
  expect(process.listenerCount('SIGHUP')).toBe(0);
});

test('a process that ends by itself leaves none', () => {
  const before = process.listeners('exit');
  const folder = make();
  const [own] = process.listeners('exit').filter((listener) => !before.includes(listener));
  own?.call(process, 0);
  expect(existsSync(folder)).toBe(false);
});
