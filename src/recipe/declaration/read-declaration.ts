/** Reads the declaration of a user's loss module in a process of its own (main.ts), with a deadline. */

import type { LossTraits } from '../../losses/loss-declaration.js';
import { askChild } from '../../process/ask-child.js';
import { describeEnd } from '../../process/child.js';

const MODULE = 'src/recipe/declaration/main.js';
/** An import takes a tenth of a second; a slow disk or a busy machine takes longer. */
const DEADLINE_MS = 20_000;

/** The answer of the process: the declaration, or the reason why there is none, with the module's file. */
export type DeclarationAnswer =
  | { readonly type: 'declared'; readonly traits: LossTraits }
  | { readonly type: 'failed'; readonly message: string };

/** Reads the declaration of the module at this absolute path. Never rejects. Only tests give another `deadlineMs`. */
export async function readDeclaration(file: string, deadlineMs = DEADLINE_MS): Promise<DeclarationAnswer> {
  const { answer, end, isLate } = await askChild<DeclarationAnswer>({ module: MODULE, args: [file] }, deadlineMs);
  if (answer !== null) return answer;
  const what = isLate
    ? `importing the module takes more than ${deadlineMs / 1000} s. Do nothing at import but declare and export`
    : `importing the module ended its process (${describeEnd(end)}). Do nothing at import but declare and export`;
  return { type: 'failed', message: `${file}: ${what}` };
}
