/**
 * One process at a time installs or removes: a lock file names the process that holds the lock. When a process of this
 * machine has ended, its lock is taken over. A process of another machine (with a shared home folder) counts as running,
 * because nothing is known about it.
 */

import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { z } from 'zod';
import { hasCode, messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import { markOf } from '../system/process-mark.js';

const holderSchema = z.object({ host: z.string(), pid: z.int().positive(), mark: z.string().nullable() });
type Holder = z.infer<typeof holderSchema>;

/**
 * Takes the lock and answers null; answers the name of the holder, in words, when another process has the lock or is
 * taking it. Throws `install.failed` where the file system cannot hold a lock.
 */
export async function takeLock(file: string): Promise<string | null> {
  return asCaller(file, async (caller) => {
    const { own, self } = caller;
    while (!(await linkOnce(own, file))) {
      const other = (await livingHolder(file, self)) ?? (await removeIf(caller, () => isDead(file, self)));
      if (other !== null) return other;
    }
    return null;
  });
}

/** Removes the lock, if it is still that of this holder, in the words of {@link takeLock}: for one that lives, perhaps, but works no more. */
export async function breakLock(file: string, holder: string): Promise<void> {
  await asCaller(file, (caller) => removeIf(caller, async () => (await livingHolder(file, caller.self)) === holder));
}

/** A call that takes or breaks a lock. */
interface Caller {
  readonly file: string;
  /** A file that names the caller. A link to it is a lock. */
  readonly own: string;
  readonly self: Holder;
}

async function asCaller<T>(file: string, act: (caller: Caller) => Promise<T>): Promise<T> {
  const self = selfHolder();
  // Each call has a file of its own: two calls of one process must not remove each other's.
  const own = `${file}.${randomUUID()}`;
  await mkdir(dirname(file), { recursive: true });
  // A link appears whole or not at all, so nobody reads a half written lock.
  await writeFile(own, JSON.stringify(self));
  try {
    return await act({ file, own, self });
  } finally {
    await rm(own, { force: true });
  }
}

function selfHolder(): Holder {
  return { host: hostname(), pid: process.pid, mark: markOf(process.pid) };
}

/**
 * Removes a lock that is over, that of a process that has ended. Only the holder of a second lock, the guard, may do this, after it has
 * checked the lock again: otherwise two processes that found the same dead lock would each remove one, and the second
 * would remove the new lock of the first. Answers null, or the holder of the guard, in words. A dead guard is removed
 * without a guard.
 */
async function removeIf({ file, own, self }: Caller, isOver: () => Promise<boolean>): Promise<string | null> {
  const guard = `${file}.guard`;
  if (!(await linkOnce(own, guard))) {
    if (await isDead(guard, self)) await rm(guard, { force: true });
    return livingHolder(guard, self);
  }
  try {
    if (await isOver()) await rm(file, { force: true });
    return null;
  } finally {
    await rm(guard, { force: true });
  }
}

/** Whether the lock's holder has ended. False also when the lock was released meanwhile. */
async function isDead(file: string, self: Holder): Promise<boolean> {
  const holder = await readHolder(file);
  return holder === 'unreadable' || (holder !== null && !isLiving(holder, self));
}

/** The running process that holds the lock, in words; null when there is none. */
async function livingHolder(file: string, self: Holder): Promise<string | null> {
  const holder = await readHolder(file);
  if (holder === null || holder === 'unreadable' || !isLiving(holder, self)) return null;
  if (holder.host === self.host) return `process ${holder.pid}`;
  return `process ${holder.pid} of the machine ${holder.host} (if it is gone, remove ${file})`;
}

/** Releases the lock of this process. One that another process has broken and taken stays that one's. */
export async function freeLock(file: string): Promise<void> {
  const holder = await readHolder(file);
  const self = selfHolder();
  const isOwn = holder !== null && holder !== 'unreadable' && holder.host === self.host && holder.pid === self.pid;
  if (isOwn) await rm(file, { force: true });
}

async function linkOnce(own: string, file: string): Promise<boolean> {
  try {
    await link(own, file);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw new StillhouseError('install.failed', `${dirname(file)} cannot hold a lock: ${messageOf(error)}`, {
      cause: error,
      hint: 'Set STILLHOUSE_CACHE to a folder on a file system that has hard links',
    });
  }
}

/** The process that the lock names; null when the lock was released meanwhile. */
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
