/** Copies each of the user's modules into the folder of a run: what trained the run's models stays known when the user's file is changed or gone. */

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf, StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { Basis } from '../../src/recipe/basis.js';
import { copyOf } from '../../src/recipe/module-copy.js';
import { userModules } from '../../src/recipe/user-fault.js';
import { writeFileAtomic } from './atomic-file.js';

/** Copies the modules of a basis, but those that were copied before. Throws `run.unwritable`, and model.invalid or loss.invalid where a file has changed since. */
export async function keepModules(run: string, { recipe, modules }: Pick<Basis, 'recipe' | 'modules'>): Promise<void> {
  for (const { place, file, code } of userModules(recipe)) {
    const digest = modules[place];
    if (digest === undefined) continue;
    const copy = copyOf(run, { file, digest });
    if (existsSync(copy)) continue;
    const bytes = await readFile(file).catch((error: unknown) => {
      throw new StillhouseError(code, `${place}: this module cannot be read: ${messageOf(error)}`, { file, cause: error });
    });
    if (createHash('sha256').update(bytes).digest('hex') !== digest) {
      throw new StillhouseError(code, `${place}: the module was changed while the run was started`, { file, hint: 'Start it again' });
    }
    await mkdir(dirname(copy), { recursive: true });
    await writeFileAtomic(copy, bytes);
  }
}
