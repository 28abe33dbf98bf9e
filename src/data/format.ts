/**
 * The interface of a data set's format. One file for each format implements it;
 * catalogue.ts lists them. Nothing outside a format's own file knows more of it than it declares here.
 */

import type { ImageShape, LabelledImages } from './sample-source.js';

/** The folder of a part, and the labels that the recipe wants. */
export interface PartSource {
  /** An absolute folder. */
  readonly folder: string;
  /** One of the format's parts. */
  readonly part: string;
  /** One of the format's sets of labels. */
  readonly labels: string;
}

/** The facts about a part that are known without reading it. */
export interface PartSummary extends ImageShape {
  readonly count: number;
}

export interface DataFile {
  readonly file: string;
  readonly samples: number;
}

/** One part of a data set as its files hold it, checked: every label is below `classes`. */
export interface ImagePart extends LabelledImages {
  /** The files that it came from, in order, and the number of samples in each. */
  readonly files: readonly DataFile[];
}

export interface DataFormat {
  /** The names of the parts that its files are divided into, as `data.splits.NAME.part` has them. */
  readonly parts: readonly string[];
  /** The names of the sets of labels that its samples carry, as `data.labels` has them. One is `fine`, the schema's default. */
  readonly labelSets: readonly string[];
  /** The number of channels of all its images; null when the files decide it. */
  readonly channels: number | null;
  /** The paths of all files that reading a part opens, without opening one. Throws data.missing. */
  files(source: PartSource): Promise<readonly string[]>;
  /** The summary of a part, from headers and file sizes alone. Throws data.missing or data.damaged. */
  inspect(source: PartSource): Promise<PartSummary>;
  /** The whole part, checked to the last byte and label. Throws data.missing or data.damaged; never returns half a part. */
  read(source: PartSource): Promise<ImagePart>;
}
