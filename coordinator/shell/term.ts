/**
 * The term of this coordinator: one file per term in the run's folder, made exclusively. Only the coordinator that made the
 * highest may write; an older coordinator finds that out before its next write, and ends.
 */

import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { asTerm, type Term } from '../../src/base/ids.js';
import { nodeFileSystem } from '../../src/checkpoint/file-system.js';
import { hasCode, StillhouseError } from '../../src/errors/stillhouse-error.js';
import { isRunning } from '../../src/process/is-running.js';
import { fileAt, runGone } from './run-gone.js';

export interface HeldTerm {
  readonly term: Term;
  /** Throws `run.busy` when a newer coordinator has taken over, and `run.gone` when the run's folder is not in its place any more. */
  requireNewest(): void;
}

const holderSchema = z.object({ host: z.string(), pid: z.int().positive() });

/**
 * Throws `run.busy` when the holder of the newest term is another living process of this host, so that nobody takes
 * the run from it by mistake. Whether a holder on another host is alive is not known: the run is taken from it.
 */
export async function requireNoHolder(folder: string, self: { readonly host: string; readonly pid: number }): Promise<void> {
  const newest = Math.max(0, ...(await takenTerms(folder)));
  if (newest === 0) return;
  const file = join(folder, String(newest));
  const holder = holderSchema.safeParse(parseHolder(await readFile(file, 'utf8'))).data;
  if (holder === undefined || holder.host !== self.host || holder.pid === self.pid) return;
  if (!isRunning(holder.pid, 'coordinator/main.js')) return;
  throw new StillhouseError('run.busy', `the process ${holder.pid} of this machine works on this run`, {
    file,
    hint: 'Wait for its end, or stop it first',
  });
}

/** Takes the next term. `holder` is written into its file, for people. Two coordinators that call this at once get two terms. */
export async function takeTerm(folder: string, holder: Readonly<Record<string, unknown>>): Promise<HeldTerm> {
  await mkdir(folder, { recursive: true });
  for (let next = Math.max(0, ...(await takenTerms(folder))) + 1; ; next++) {
    try {
      await writeFile(join(folder, String(next)), `${JSON.stringify(holder)}\n`, { flag: 'wx', flush: true });
    } catch (error) {
      if (hasCode(error, 'EEXIST')) continue;
      throw error;
    }
    await nodeFileSystem.syncFolder(folder);
    return heldTerm(folder, asTerm(next));
  }
}

async function takenTerms(folder: string): Promise<readonly number[]> {
  try {
    return (await readdir(folder)).map(Number).filter(Number.isInteger);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

/** The holder in a term's file; null when the file is torn, or was made by hand. */
function parseHolder(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function heldTerm(folder: string, term: Term): HeldTerm {
  const own = join(folder, String(term));
  // Terms have no gaps, so a coordinator that took over made this file first.
  const successor = join(folder, String(term + 1));
  return {
    term,
    requireNewest() {
      if (fileAt(own) === null) throw runGone(dirname(folder));
      if (!existsSync(successor)) return;
      throw new StillhouseError('run.busy', `another coordinator has taken over the run: this one's term ${term} is over`, {
        file: successor,
        hint: 'The file names its process',
      });
    },
  };
}
