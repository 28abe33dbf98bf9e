/**
 * The interface of a data set's format. One file for each format implements it;
 * catalogue.ts lists them. Nothing outside a format's own file knows more of it than it declares here.
 */

import type { ImageIndex } from './folder-index.js';
import type { ImageShape, LabelledImages } from './sample-source.js';

/** The folder of a part, and the labels that the recipe wants. */
export interface PartSource {
  /** An absolute folder. */
  readonly folder: string;
  /** One of the format's parts; or a folder's name, where the format declares none. */
  readonly part: string;
  /** One of the format's sets of labels. */
  readonly labels: string;
}

/** The facts about a part that are known without reading it. */
export interface PartSummary extends ImageShape {
  readonly count: number;
  /** Where the data have names for their classes: those in the order of the labels. */
  readonly classNames?: readonly string[];
}

export interface DataFile {
  readonly file: string;
  readonly samples: number;
  /** The files in a folder that are no samples, by their names, where there are any. */
  readonly leftOut?: number;
}

/** One part of a data set as its files hold it, checked: every label is below `classes`. */
export interface ImagePart extends LabelledImages {
  /** The files that it came from, in order, and the number of samples in each. */
  readonly files: readonly DataFile[];
}

interface Declaration {
  /** The names of the parts that its files are divided into, as `data.splits.NAME.part` has them; null when each sub-folder is a part. */
  readonly parts: readonly string[] | null;
  /** The names of the sets of labels that its samples carry, as `data.labels` has them. One is `fine`, the schema's default. */
  readonly labelSets: readonly string[];
  /** The number of channels of all its images; null when the files decide it. */
  readonly channels: number | null;
}

/** A format that is read whole: its samples lie in memory. */
export interface ResidentFormat extends Declaration {
  readonly kind: 'resident';
  readonly parts: readonly string[];
  /** The paths of all files that reading a part opens, without opening one. Throws data.missing. */
  files(source: PartSource): Promise<readonly string[]>;
  /** The summary of a part, from headers and file sizes alone. Throws data.missing or data.damaged. */
  inspect(source: PartSource): Promise<PartSummary>;
  /** The whole part, checked to the last byte and label. Throws data.missing or data.damaged; never returns half a part. */
  read(source: PartSource): Promise<ImagePart>;
}

/** A format whose samples are files of coded images of any size, which are decoded when they are needed. The recipe says the size that they are given. */
export interface CodedFormat extends Declaration {
  readonly kind: 'coded';
  /** The images of a part, without opening one. Throws data.missing or data.damaged. */
  index(source: PartSource): Promise<ImageIndex>;
}

export type DataFormat = ResidentFormat | CodedFormat;
