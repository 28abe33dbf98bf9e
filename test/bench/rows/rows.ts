/** The rows there are. */

import type { Row } from '../row.js';
import { loaderRows } from './loader-rows.js';
import { trainingRows } from './training-rows.js';
import { wasmRows } from './wasm-rows.js';

/** In the order in which they are measured and shown. */
export const ROWS: readonly Row[] = [...trainingRows, ...wasmRows, ...loaderRows];

/** Those measured when none are named. */
export const DEFAULT_ROWS: readonly string[] = ROWS.map(({ name }) => name).filter(
  (name) => name !== 'wasm-student-step' && name !== 'loader-cifar-batched',
);
