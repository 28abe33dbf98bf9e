/** The rows there are. */

import type { Row } from '../row.js';
import { loaderRows } from './loader-rows.js';
import { methodRows } from './method-rows.js';
import { mutualRows } from './mutual-rows.js';
import { trainingRows } from './training-rows.js';
import { wasmRows } from './wasm-rows.js';

/** In the order in which they are measured and shown. */
export const ROWS: readonly Row[] = [...trainingRows, ...mutualRows, ...wasmRows, ...loaderRows, ...methodRows];

const namesOf = (rows: readonly Row[]) => rows.map(({ name }) => name);

/** Names that stand for several rows. */
export const GROUPS: Readonly<Record<string, readonly string[]>> = { 'method-overhead': namesOf(methodRows) };

/** Measured only when they are named. */
const ON_REQUEST: readonly string[] = ['mutual-step-wasm', 'wasm-student-step', 'loader-cifar-batched', ...namesOf(methodRows)];

/** Those measured when none are named. */
export const DEFAULT_ROWS: readonly string[] = namesOf(ROWS).filter((name) => !ON_REQUEST.includes(name));
