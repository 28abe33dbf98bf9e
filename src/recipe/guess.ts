/** The accuracy that guessing reaches on a split. Pure. */

import type { DataContent, SplitContent } from '../data/dataset.js';
import type { Guess } from '../protocol/parent.js';

/** An accuracy that is more standard errors than this above that of guessing is no luck: one guesser in a thousand has more. */
const STANDARD_ERRORS = 3;

/** The guess that says the most frequent class every time. */
export function guessOf({ samples, classCounts }: Pick<SplitContent, 'samples' | 'classCounts'>): Guess {
  const share = Math.max(...classCounts) / samples;
  return { share, most: share + STANDARD_ERRORS * errorOf(share, samples) };
}

/** The standard error of an accuracy that was measured on so many samples. */
export function errorOf(accuracy: number, samples: number): number {
  return Math.sqrt((accuracy * (1 - accuracy)) / samples);
}

/**
 * The guesses of the splits that are large enough to tell a model that has learned nothing from a bad one: luck must not reach twice the
 * accuracy of guessing, nor half the way from there to everything. On a smaller split a model that has learned something may look like one
 * that has not.
 */
export function tellingGuesses({ splits }: Pick<DataContent, 'splits'>): Readonly<Record<string, Guess>> {
  const guesses = splits.map((split) => [split.name, guessOf(split)] as const);
  return Object.fromEntries(guesses.filter(([, { share, most }]) => most <= share + Math.min(share, (1 - share) / 2)));
}
