/** Finds what the user probably meant by a name that nothing has. */

import { distance } from 'fastest-levenshtein';

/** The candidate closest to `word`, or null when none is close enough to be a slip of the keyboard. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  let best: string | null = null;
  let bestEdits = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const edits = distance(word.toLowerCase(), candidate.toLowerCase());
    if (edits < bestEdits) [best, bestEdits] = [candidate, edits];
  }
  // Two letters in five: "trian" is "train", "x" is not "sgd".
  return best !== null && bestEdits <= Math.max(1, Math.round(Math.max(word.length, best.length) * 0.4)) ? best : null;
}

/** The end of a sentence about an unknown name: the nearest one, or all there are. */
export function suggest(word: string, candidates: readonly string[]): string {
  const match = nearest(word, candidates);
  if (match !== null) return `; did you mean "${match}"?`;
  return candidates.length === 0 ? '; there is none' : `; there is: ${candidates.join(', ')}`;
}
