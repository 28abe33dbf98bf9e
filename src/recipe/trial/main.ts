/**
 * A process that builds the models of a recipe and tries its terms and its training steps, and tells its parent each finding. A user's module
 * may print, throw, end the process or hang, and does no harm to the process that checks the recipe.
 */

import { EXIT } from '../../errors/table.js';
import { exitNow } from '../../process/exit.js';
import { linkToParent } from '../../process/parent-link.js';
import { watchParent } from '../../process/parent-watch.js';
import type { TrialExamples, TrialMessage, TrialQuestion } from './message.js';
import { tryRecipe } from './try-recipe.js';

const link = linkToParent<TrialQuestion | TrialExamples, TrialMessage>();
if (link === null) {
  console.error('Recipes are tried by the commands that check them: see stillhouse validate');
  exitNow(EXIT.usage);
}
// A module that hangs must not outlive the command.
watchParent((error) => console.error(error));
let give = (_examples: TrialExamples): void => {};
const examples = new Promise<TrialExamples>((resolve) => {
  give = resolve;
});
const question = await new Promise<TrialQuestion>((resolve) => {
  link.onMessage((message) => (message.type === 'question' ? resolve(message) : give(message)));
});
try {
  await tryRecipe({ question, examples }, (message) => link.send(message));
} catch (error) {
  link.send({ type: 'broken', stack: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}
await link.sent();
exitNow(EXIT.done);
