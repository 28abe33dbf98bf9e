/** Results that guessing would give as well. Pure. */

import { peersOf, spellPeer } from '../config/peer.js';
import type { Recipe } from '../config/schema.js';
import type { VerifiedData } from '../data/dataset.js';

/** An accuracy that is more standard errors than this above that of guessing is no chance. */
const STANDARD_ERRORS = 3;

/**
 * A warning for each model whose accuracy is no better than saying the most frequent class of the test images every time. `accuracy`: by the
 * model's name, or by the stage that tests it.
 */
export function learnedNothing(
  recipe: Recipe,
  { splits }: Pick<VerifiedData, 'splits'>,
  accuracy: Readonly<Record<string, { readonly last: number }>>,
): readonly string[] {
  return Object.entries(recipe.stages).flatMap(([stage, content]) => {
    if (!('test' in content)) return [];
    const test = splits.find(({ name }) => name === content.test);
    if (test === undefined) return [];
    const guess = Math.max(...test.classCounts) / test.samples;
    const most = guess + STANDARD_ERRORS * Math.sqrt((guess * (1 - guess)) / test.samples);
    const names =
      'of' in content || content.kind === 'load' ? [stage] : [...peersOf(content).keys()].map((peer) => spellPeer({ stage, peer }));
    return names.flatMap((name) => {
      const last = accuracy[name]?.last;
      if (last === undefined || last > most) return [];
      const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
      return [`${name} has learned nothing: ${percent(last)} right, and ${percent(guess)} come from always saying the most frequent class`];
    });
  });
}
