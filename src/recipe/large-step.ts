/** Steps that take more images than there are. Pure. */

import type { Recipe } from '../config/schema.js';
import { isTrainingStage } from '../config/stage-kinds.js';
import type { WorkSize } from './work-size.js';

/** A warning for each stage of which one step, of all its students together, takes more images than its split has. */
export function largeSteps(
  { stages }: Pick<Recipe, 'stages'>,
  splitSizes: Readonly<Record<string, number>>,
  work: readonly WorkSize[],
): readonly string[] {
  return work.flatMap(({ stage: name, columns, imagesPerStep }) => {
    const stage = stages[name];
    if (stage === undefined || !isTrainingStage(stage)) return [];
    const images = splitSizes[stage.on] ?? 0;
    if (imagesPerStep <= images) return [];
    const whose = columns === 1 ? '' : ` of ${columns} students`;
    const mend =
      columns === 1 ? 'each step has all of them; give a smaller batch' : 'some have fewer or none; give a smaller batch or fewer students';
    return [`${name}: a step${whose} takes ${imagesPerStep} images, and ${stage.on} has ${images}: ${mend}`];
  });
}
