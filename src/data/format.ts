/**
 * The interface of a data set's format. One file for each format implements it;
 * catalogue.ts lists them. Nothing outside a format's own file knows more of it than it declares here.
 */

import type { DataRecipe } from '../config/schema.js';
import type { ImageIndex, UnpackedFiles } from './image-index.js';
import type { ImageShape, LabelledImages } from './sample-source.js';

/** The keys of a recipe's data that are for some formats. */
export const SETTINGS = ['classes', 'csv', 'npz', 'webdataset'] as const satisfies readonly (keyof DataRecipe)[];
export type Setting = (typeof SETTINGS)[number];

/** The folder of a part, the labels that the recipe wants, and the format's own settings. */
export interface PartSource extends Pick<DataRecipe, Setting> {
  /** An absolute folder. */
  readonly folder: string;
  /** One of the format's parts; or a name that its {@link OwnParts} allow. */
  readonly part: string;
  /** One of the format's sets of labels. */
  readonly labels: string;
}

/** The facts about a part that are known without reading an image. */
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
  /** Where copies of packed files are read. */
  readonly unpacked?: UnpackedFiles;
}

/** One part of a data set as its files hold it, checked: every label is below `classes`. */
export interface ImagePart extends LabelledImages {
  /** The files that it came from, in order, and the number of samples in each. */
  readonly files: readonly DataFile[];
}

/** Parts whose names are the user's. */
export interface OwnParts {
  allows(name: string): boolean;
  /** The form of a name, to be read after "must be": the name of a folder in data.path, such as train. */
  readonly form: string;
}

interface Declaration {
  /** The names of the parts that its files are divided into, as `data.splits.NAME.part` has them. */
  readonly parts: readonly string[] | OwnParts;
  /** The names of the sets of labels that its samples carry, as `data.labels` has them. One is `fine`, the schema's default. */
  readonly labelSets: readonly string[];
  /** The number of channels of all its images; null when the files decide it. */
  readonly channels: number | null;
  /** The settings that it takes; none when left out. */
  readonly settings?: readonly Setting[];
  /**
   * The names of the classes in the order of the labels, where the data have names; null where they have none, or none is known. At most the file that lists the labels is read, and no
   * image: an export asks for them. `cache`: the folder of the user's cache for data sets.
   */
  classNames?(source: PartSource, cache: string): Promise<readonly string[] | null>;
}

/** Parts that are named by a word, which leads nowhere else than to a file or folder in data.path. */
export function partsNamed(form: string): OwnParts {
  return { allows: (name) => /^[^/\\\0]+$/.test(name) && name !== '.' && name !== '..', form };
}

/** A format that is read whole: its samples lie in memory. */
export interface ResidentFormat extends Declaration {
  readonly kind: 'resident';
  /** The paths of all files that reading a part opens, without opening one. Throws data.missing. */
  files(source: PartSource): Promise<readonly string[]>;
  /** The summary of a part, from headers and file sizes alone. Throws data.missing or data.damaged. */
  inspect(source: PartSource): Promise<PartSummary>;
  /** The whole part, checked to the last byte and label. Throws data.missing or data.damaged; never returns half a part. */
  read(source: PartSource): Promise<ImagePart>;
}

/** A format whose samples are coded images of any size, which are decoded when they are needed. The recipe says the size that they are given. */
export interface CodedFormat extends Declaration {
  readonly kind: 'coded';
  /** The images of a part, without opening one. `cache`: the folder of the user's cache for data sets. Throws data.missing or data.damaged. */
  index(source: PartSource, cache: string): Promise<ImageIndex>;
}

export type DataFormat = ResidentFormat | CodedFormat;
