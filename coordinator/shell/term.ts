/**
 * The term of this coordinator: a file per term next to the run, made exclusively. Whoever made the highest is the
 * only one that may write; an older coordinator finds that out before it writes the next thing, and ends.
 */

import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asTerm, type Term } from '../../src/base/ids.js';
import { nodeFileSystem } from '../../src/checkpoint/file-system.js';
import { hasCode, StillhouseError } from '../../src/errors/stillhouse-error.js';

export interface HeldTerm {
  readonly term: Term;
  /** Throws `run.busy` when a newer coordinator has taken over. */
  requireNewest(): void;
}

/** Takes the next term. `holder` is written into its file, for people. Two that take one at once get two. */
export async function takeTerm(folder: string, holder: Readonly<Record<string, unknown>>): Promise<HeldTerm> {
  await mkdir(folder, { recursive: true });
  const taken = (await readdir(folder)).map(Number).filter(Number.isInteger);
  for (let next = Math.max(0, ...taken) + 1; ; next++) {
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

function heldTerm(folder: string, term: Term): HeldTerm {
  // Terms have no gaps, so whoever took over made this file first.
  const successor = join(folder, String(term + 1));
  return {
    term,
    requireNewest() {
      if (!existsSync(successor)) return;
      throw new StillhouseError('run.busy', `another coordinator has taken over the run: this one's term ${term} is over`, {
        file: successor,
        hint: 'The file names its process',
      });
    },
  };
}
