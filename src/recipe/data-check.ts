/** Whether the data section of a recipe fits its format, as far as that shows without a look at the files. */

import { suggest } from '../base/nearest.js';
import type { Problem } from '../config/problem.js';
import type { Recipe } from '../config/schema.js';
import { BUILTIN_SETS } from '../data/catalogue.js';

const BUILTIN = 'builtin:';
const CHANNELS = { idx: 1, cifar10: 3, cifar100: 3 } as const;

/** Values of the data section that do not fit the format or the data set of the package. */
export function checkData({ data }: Recipe): readonly Problem[] {
  const problems: Problem[] = [];
  const channels = CHANNELS[data.format];
  for (const key of ['mean', 'std'] as const) {
    const count = data.normalise[key].length;
    if (count === channels) continue;
    const text = `data.normalise.${key} has ${count} entries, but images of the format ${data.format} have ${channels} channels`;
    problems.push({ path: ['data', 'normalise', key], at: 'value', text });
  }
  if (data.labels === 'coarse' && data.format !== 'cifar100') {
    problems.push({ path: ['data', 'labels'], at: 'value', text: 'data.labels: only cifar100 has coarse labels' });
  }
  if (data.path.startsWith(BUILTIN)) {
    const path = ['data', 'path'];
    const set = BUILTIN_SETS.get(data.path);
    if (set === undefined) {
      problems.push({ path, at: 'value', text: `data.path: there is no "${data.path}"${suggest(data.path, [...BUILTIN_SETS.keys()])}` });
    } else if (data.format !== set.format) {
      const text = `data.format: ${data.path} is of the format ${set.format}, not ${data.format}`;
      problems.push({ path: ['data', 'format'], at: 'value', text });
    }
  }
  return problems;
}
