/** Whether the user's modules on this machine are those of the coordinator: another file would be another model or loss. */

import type { Recipe } from '../../src/config/schema.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { Digests } from '../../src/protocol/control.js';
import { digestOf } from '../../src/recipe/basis.js';
import { userModules } from '../../src/recipe/user-fault.js';

/** Throws basis.differs, with both digests, when a module is another one; model.invalid and loss.invalid when it cannot be read. */
export async function requireModules(recipe: Recipe, { modules }: Digests): Promise<void> {
  for (const module of userModules(recipe)) {
    const { place, file } = module;
    const wanted = modules[place];
    if (wanted === undefined) continue;
    const own = await digestOf(module);
    if (own === wanted) continue;
    throw new StillhouseError('basis.differs', `the module of ${place} is ${own} here, and ${wanted} at the coordinator`, {
      file,
      hint: "Copy the coordinator's file here",
    });
  }
}
