/**
 * Folders for files that are needed for a while. A folder that is not removed before goes with this process: also when a signal ends it,
 * unless another handler of that signal is there, which ends the process in order. Only SIGKILL leaves one.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isHangUpIgnored } from './hang-up.js';
import { onSignal, type StopSignal } from './signal.js';

const open = new Set<string>();
let offEnd: (() => void) | null = null;

/** Makes an empty folder whose name begins with `prefix`. */
export function makeTemporaryFolder(prefix: string): string {
  // First: a signal that comes meanwhile is then heard when the folder is known.
  watchEnd();
  const folder = mkdtempSync(join(tmpdir(), prefix));
  open.add(folder);
  return folder;
}

/** Removes such a folder, with what is in it. Nothing happens when it is gone already. */
export async function removeTemporaryFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  open.delete(folder);
  if (open.size === 0) unwatchEnd();
}

function watchEnd(): void {
  if (offEnd !== null) return;
  const removeAll = (): void => {
    for (const folder of open) rmSync(folder, { recursive: true, force: true });
  };
  const signals: readonly StopSignal[] = isHangUpIgnored() ? ['SIGINT', 'SIGTERM'] : ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const offSignal = onSignal(signals, (signal) => {
    if (process.listenerCount(signal) > 1) return;
    removeAll();
    unwatchEnd();
    process.kill(process.pid, signal);
  });
  process.once('exit', removeAll);
  offEnd = () => {
    offSignal();
    process.off('exit', removeAll);
  };
}

function unwatchEnd(): void {
  offEnd?.();
  offEnd = null;
}
