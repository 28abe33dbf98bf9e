/** The data formats by the name that recipes use, and the data sets that are in the package. README.md says how to add one. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DataRecipe } from '../config/schema.js';
import { cifar10Format } from './cifar10.js';
import { cifar100Format } from './cifar100.js';
import { folderFormat } from './folder.js';
import type { DataFormat } from './format.js';
import { idxFormat } from './idx.js';

/** The formats by `data.format`. */
export const FORMATS: ReadonlyMap<string, DataFormat> = new Map<string, DataFormat>([
  ['idx', idxFormat],
  ['cifar10', cifar10Format],
  ['cifar100', cifar100Format],
  ['folder', folderFormat],
]);

export interface BuiltinSet {
  readonly format: string;
  /** The folder, from the package's root. */
  readonly folder: string;
  /** The parts that are in the package. */
  readonly parts: readonly string[];
  /** The names of its classes, in the order of the labels. */
  readonly classNames: readonly string[];
}

const FASHION_CLASSES = ['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot'];

/** `builtin:NAME` as a recipe's data.path. */
export const BUILTIN_SETS: ReadonlyMap<string, BuiltinSet> = new Map([
  ['builtin:fashion-mnist', { format: 'idx', folder: 'deploy/data/fashion-mnist', parts: ['test'], classNames: FASHION_CLASSES }],
]);

/** By format and set of labels: the file in a data set's folder that names its classes, a line each, and their number. */
const CLASS_FILES: ReadonlyMap<string, { readonly file: string; readonly classes: number }> = new Map([
  ['cifar10 fine', { file: 'batches.meta.txt', classes: 10 }],
  ['cifar100 fine', { file: 'fine_label_names.txt', classes: 100 }],
  ['cifar100 coarse', { file: 'coarse_label_names.txt', classes: 20 }],
]);

/** The keys of a recipe's data that say where they lie. */
export type DataPlace = Pick<DataRecipe, 'path' | 'format' | 'labels' | 'splits'>;

/** The names of the classes of a recipe's data, in the order of the labels; null where they are not known, or the data is not there. */
export function classNamesOf({ path, format, labels, splits }: DataPlace): readonly string[] | null {
  const set = BUILTIN_SETS.get(path);
  if (set !== undefined) return set.classNames;
  if (format === 'folder') {
    // All parts have the same classes.
    const names = Object.values(splits).map(({ part }) => classFolders(join(path, part)));
    return names.find((folders) => folders.length > 0) ?? null;
  }
  const named = CLASS_FILES.get(`${format} ${labels}`);
  if (named === undefined) return null;
  const names = readLines(join(path, named.file));
  return names.length === named.classes ? names : null;
}

/** The class folders of a part, as its index has them (folder-index.ts); none where they cannot be read. */
function classFolders(folder: string): readonly string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true }).filter(({ name }) => !name.startsWith('.'));
    const names = entries.filter(
      (entry) => entry.isDirectory() || (entry.isSymbolicLink() && statSync(join(folder, entry.name)).isDirectory()),
    );
    return names
      .map(({ name }) => Buffer.from(name))
      .sort(Buffer.compare)
      .map(String);
  } catch {
    return [];
  }
}

/** The lines of a file that are not empty; none where it cannot be read, because names are no reason to refuse an export. */
function readLines(file: string): readonly string[] {
  try {
    const lines = readFileSync(file, 'utf8').split('\n');
    return lines.map((line) => line.trim()).filter((line) => line !== '');
  } catch {
    return [];
  }
}
