/**
 * A process that imports one user's loss module and sends the module's declaration to its parent. The module may print, throw, end the
 * process or hang, and does no harm to the process that checks the recipe.
 */

import { messageOf, StillhouseError } from '../../errors/stillhouse-error.js';
import { EXIT } from '../../errors/table.js';
import { importUserLoss } from '../../losses/user-declaration.js';
import { exitNow } from '../../process/exit.js';
import { linkToParent } from '../../process/parent-link.js';
import type { DeclarationAnswer } from './read-declaration.js';

async function answerFor(file: string): Promise<DeclarationAnswer> {
  try {
    const { needs: _needs, ...traits } = (await importUserLoss(file)).declaration;
    return { type: 'declared', traits };
  } catch (error) {
    if (!(error instanceof StillhouseError)) throw error;
    return { type: 'failed', message: messageOf(error) };
  }
}

const link = linkToParent<never, DeclarationAnswer>();
if (link === null) {
  console.error('Losses are read by the commands that check a recipe: see stillhouse validate');
  exitNow(EXIT.usage);
}
link.send(await answerFor(process.argv[2] ?? ''));
await link.sent();
exitNow(EXIT.done);
