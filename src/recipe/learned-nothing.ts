/** Results that a person should not use: those that guessing would give as well, and those of training that has diverged. Pure. */

import { formatShare } from '../base/share.js';
import { peersOf, spellPeer } from '../config/peer.js';
import type { Recipe } from '../config/schema.js';
import type { DataContent } from '../data/dataset.js';
import { trainsLogits } from '../losses/loss-plan.js';
import type { RunSummary } from '../protocol/parent.js';
import { errorOf, guessOf } from './guess.js';

/** The fall from the best epoch to the last is no luck when it is more than so many standard errors of both. */
const STANDARD_ERRORS = 3;
/** A model that has lost this share of what it had learned has got much worse. */
const LOST_SHARE = 0.5;

type Results = Pick<RunSummary, 'accuracy' | 'testLoss'>;

/** A warning for each model, by its name or by the stage that tests it, that has learned nothing, has diverged, or is sure of what is wrong. */
export function learnedNothing(recipe: Recipe, { splits }: Pick<DataContent, 'splits'>, results: Results): readonly string[] {
  return Object.entries(recipe.stages).flatMap(([stage, content]) => {
    if (!('test' in content)) return [];
    const test = splits.find(({ name }) => name === content.test);
    if (test === undefined) return [];
    const tests = 'of' in content || content.kind === 'load';
    const classifying = [...peersOf(content)].filter(([, peer]) => trainsLogits(peer));
    const names = tests ? [stage] : classifying.map(([peer]) => spellPeer({ stage, peer }));
    return names.flatMap((name) => warningOf(name, results, test) ?? []);
  });
}

function warningOf(name: string, { accuracy, testLoss }: Results, test: DataContent['splits'][number]): string | null {
  const measured = accuracy[name];
  if (measured === undefined) return null;
  const { last, best, epoch } = measured;
  const { share, most } = guessOf(test);
  const guessed = `${formatShare(share)} come from always saying the most frequent class`;
  if (last <= most && best <= most) return `${name} has learned nothing: ${formatShare(last)} right, and ${guessed}`;
  const fall = `${formatShare(last)} right after the last epoch, and ${formatShare(best)} after epoch ${epoch}`;
  if (last <= most) return `${name} has diverged: ${fall}; ${guessed}`;
  const isLuck = best - last <= STANDARD_ERRORS * Math.hypot(errorOf(last, test.samples), errorOf(best, test.samples));
  if (!isLuck && best - last > LOST_SHARE * (best - share)) return `${name} has got much worse: ${fall}`;
  const loss = testLoss[name] ?? 0;
  const uniform = Math.log(test.classCounts.length);
  if (loss <= uniform) return null;
  const told = `its test loss is ${loss.toFixed(3)}, and ${uniform.toFixed(3)} come from giving all classes the same probability`;
  return `${name} is too sure of wrong answers: ${told}. It has diverged, or learned its images by heart`;
}
