/**
 * One process at a time installs or removes: who holds the lock has its name in a file. The lock of a process of this
 * machine that is gone is taken over; of a process of another machine (a shared home folder) nothing is known.
 */

import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { z } from 'zod';
import { hasCode } from '../errors/stillhouse-error.js';
import { markOf } from '../process/process-mark.js';

const holderSchema = z.object({ host: z.string(), pid: z.int().positive(), mark: z.string().nullable() });
type Holder = z.infer<typeof holderSchema>;

/** Takes the lock. Null, or in words who holds it. */
export async function takeLock(file: string): Promise<string | null> {
  const self: Holder = { host: hostname(), pid: process.pid, mark: markOf(process.pid) };
  const own = `${file}.${process.pid}`;
  await mkdir(dirname(file), { recursive: true });
  // A link is made whole or not at all: nobody reads a lock that is half written.
  await writeFile(own, JSON.stringify(self));
  try {
    for (;;) {
      if (await linkOnce(own, file)) return null;
      const holder = await readHolder(file);
      if (holder !== null && isLiving(holder, self)) {
        return holder.host === self.host
          ? `process ${holder.pid}`
          : `process ${holder.pid} of the machine ${holder.host} (if it is gone, remove ${file})`;
      }
      await rename(file, `${own}.dead`).catch(ignoreGone);
      await rm(`${own}.dead`, { force: true });
    }
  } finally {
    await rm(own, { force: true });
  }
}

/** Gives it back. */
export async function freeLock(file: string): Promise<void> {
  await rm(file, { force: true });
}

async function linkOnce(own: string, file: string): Promise<boolean> {
  try {
    await link(own, file);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

/** Null when it was given back meanwhile, or cannot be understood. */
async function readHolder(file: string): Promise<Holder | null> {
  try {
    return holderSchema.safeParse(JSON.parse(await readFile(file, 'utf8'))).data ?? null;
  } catch {
    return null;
  }
}

function isLiving(holder: Holder, self: Holder): boolean {
  return holder.host !== self.host || (holder.mark !== null && markOf(holder.pid) === holder.mark);
}

function ignoreGone(error: unknown): void {
  if (!hasCode(error, 'ENOENT')) throw error;
}
