/** The seeds that the option --seeds names. Pure. */

import { StillhouseError } from '../../errors/stillhouse-error.js';

const SEEDS_MAX = 100;
const SEED_MAX = 2 ** 32 - 1;

/** `5` means the seeds 1 to 5, `3,5,8` these three, `8,` this one. Throws `usage.invalid`. */
export function seedsOf(text: string): readonly number[] {
  const parts = text.replace(/,\s*$/, '').split(',');
  const numbers = parts.map((part) => (/^\d+$/.test(part.trim()) ? Number(part) : Number.NaN));
  const isList = text.includes(',');
  const [count = 0] = numbers;
  const sound = isList ? numbers.every((seed) => seed <= SEED_MAX) && new Set(numbers).size === numbers.length : count >= 1;
  if (!sound || (isList ? numbers.length : count) > SEEDS_MAX || numbers.some(Number.isNaN)) {
    throw new StillhouseError(
      'usage.invalid',
      `--seeds ${text}: give a number of seeds from 1 to ${SEEDS_MAX}, or different seeds with commas, such as 3,5,8`,
    );
  }
  return isList ? numbers : Array.from({ length: count }, (_, i) => i + 1);
}
