/**
 * One process at a time installs or removes: who holds the lock has its name in a file. The lock of a process of this
 * machine that is gone is taken over; of a process of another machine (a shared home folder) nothing is known.
 */

import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { z } from 'zod';
import { hasCode, messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import { markOf } from '../system/process-mark.js';

const holderSchema = z.object({ host: z.string(), pid: z.int().positive(), mark: z.string().nullable() });
type Holder = z.infer<typeof holderSchema>;

/** Takes the lock. Null, or in words who holds it or is about to. Throws `install.failed` where there can be none. */
export async function takeLock(file: string): Promise<string | null> {
  const self: Holder = { host: hostname(), pid: process.pid, mark: markOf(process.pid) };
  const own = `${file}.${process.pid}`;
  await mkdir(dirname(file), { recursive: true });
  // A link is made whole or not at all: nobody reads a lock that is half written.
  await writeFile(own, JSON.stringify(self));
  try {
    while (!(await linkOnce(own, file))) {
      const other = (await livingHolder(file, self)) ?? (await removeDead(file, own, self));
      if (other !== null) return other;
    }
    return null;
  } finally {
    await rm(own, { force: true });
  }
}

/**
 * Only who has the guard removes the lock of another, and looks again before: else two that found a dead lock would each
 * remove one, the second that of the first. Null, or in words who has the guard. A dead guard is removed without one.
 */
async function removeDead(file: string, own: string, self: Holder): Promise<string | null> {
  const guard = `${file}.guard`;
  if (!(await linkOnce(own, guard))) {
    if (await isDead(guard, self)) await rm(guard, { force: true });
    return livingHolder(guard, self);
  }
  try {
    if (await isDead(file, self)) await rm(file, { force: true });
    return null;
  } finally {
    await rm(guard, { force: true });
  }
}

/** False too when it was given back meanwhile. */
async function isDead(file: string, self: Holder): Promise<boolean> {
  const holder = await readHolder(file);
  return holder === 'unreadable' || (holder !== null && !isLiving(holder, self));
}

/** In words, or null when there is none. */
async function livingHolder(file: string, self: Holder): Promise<string | null> {
  const holder = await readHolder(file);
  if (holder === null || holder === 'unreadable' || !isLiving(holder, self)) return null;
  if (holder.host === self.host) return `process ${holder.pid}`;
  return `process ${holder.pid} of the machine ${holder.host} (if it is gone, remove ${file})`;
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
    throw new StillhouseError('install.failed', `${dirname(file)} cannot hold a lock: ${messageOf(error)}`, {
      cause: error,
      hint: 'STILLHOUSE_CACHE names another folder: one on a file system that has hard links',
    });
  }
}

/** Null when it was given back meanwhile. */
async function readHolder(file: string): Promise<Holder | 'unreadable' | null> {
  try {
    return holderSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    return hasCode(error, 'ENOENT') ? null : 'unreadable';
  }
}

function isLiving({ host, pid, mark }: Holder, self: Holder): boolean {
  return host !== self.host || (mark !== null && markOf(pid) === mark);
}
