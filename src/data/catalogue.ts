/** The data formats by the name that recipes use, and the data sets that are in the package. README.md says how to add one. */

import { cifar10Format } from './cifar10.js';
import { cifar100Format } from './cifar100.js';
import { csvFormat } from './csv.js';
import { folderFormat } from './folder.js';
import type { DataFormat } from './format.js';
import { idxFormat } from './idx.js';
import { npzFormat } from './npz.js';
import { webdatasetFormat } from './webdataset.js';

/** The formats by `data.format`. */
export const FORMATS: ReadonlyMap<string, DataFormat> = new Map<string, DataFormat>([
  ['idx', idxFormat],
  ['cifar10', cifar10Format],
  ['cifar100', cifar100Format],
  ['folder', folderFormat],
  ['csv', csvFormat],
  ['npz', npzFormat],
  ['webdataset', webdatasetFormat],
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
