/** What a data set's format must offer. One file per format implements it; catalogue.ts lists them. */

import type { DataRecipe, SplitRecipe } from '../config/schema.js';
import type { ImagePart, ImageShape } from './split.js';

/** Where a part lies, and how the recipe wants it read. */
export interface PartSource {
  /** An absolute folder. */
  readonly folder: string;
  readonly part: SplitRecipe['part'];
  readonly labels: DataRecipe['labels'];
}

/** What is known of a part without reading it. */
export interface PartSummary extends ImageShape {
  readonly count: number;
}

export interface DataFormat {
  /** The sets of labels that its records carry. */
  readonly labelSets: readonly DataRecipe['labels'][];
  /** From headers and file sizes alone. Throws data.missing or data.damaged. */
  inspect(source: PartSource): Promise<PartSummary>;
  /** Everything, checked to the last byte and label. Throws data.missing or data.damaged; never returns half a part. */
  read(source: PartSource): Promise<ImagePart>;
}
