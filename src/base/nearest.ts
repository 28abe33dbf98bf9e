/** Finds the known name that a user probably meant by an unknown one. */

import { distance } from 'fastest-levenshtein';

/** The candidate closest to `word` by edit distance, or null when none is close enough for a typing mistake. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  let best: string | null = null;
  let bestEdits = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const edits = editsBetween(word.toLowerCase(), candidate.toLowerCase());
    if (edits < bestEdits) [best, bestEdits] = [candidate, edits];
  }
  // Up to two letters in five may differ: "trian" is taken for "train", but "x" is not taken for "sgd".
  return best !== null && bestEdits <= Math.max(1, Math.round(Math.max(word.length, best.length) * 0.4)) ? best : null;
}

/** The candidates by their edit distance from `word`, the closest first; equals in their own order. */
export function byDistance(word: string, candidates: readonly string[]): readonly string[] {
  const edits = new Map(candidates.map((candidate) => [candidate, editsBetween(word.toLowerCase(), candidate.toLowerCase())]));
  return [...candidates].sort((a, b) => (edits.get(a) ?? 0) - (edits.get(b) ?? 0));
}

/** The edit distance; two neighbouring letters in the wrong order are one mistake. */
function editsBetween(a: string, b: string): number {
  const first = [...a].findIndex((letter, index) => letter !== b[index]);
  const isSwap = a.length === b.length && first >= 0 && a[first] === b[first + 1] && a[first + 1] === b[first];
  return isSwap && a.slice(first + 2) === b.slice(first + 2) ? 1 : distance(a, b);
}

const SUGGESTION = '; did you mean ';

/** A message of which `suggest` made the end, in two: what is wrong, and the suggestion as a sentence, or null. */
export function splitSuggestion(text: string): { readonly what: string; readonly suggestion: string | null } {
  const at = text.lastIndexOf(SUGGESTION);
  if (at < 0) return { what: text, suggestion: null };
  return { what: text.slice(0, at), suggestion: `D${text.slice(at + '; d'.length)}` };
}

/** The end of an error message about an unknown name: it suggests the nearest candidate, or lists all of them. */
export function suggest(word: string, candidates: readonly string[]): string {
  const match = nearest(word, candidates);
  if (match !== null) return `${SUGGESTION}"${match}"?`;
  return candidates.length === 0 ? '; there is none' : `; there is: ${candidates.join(', ')}`;
}
