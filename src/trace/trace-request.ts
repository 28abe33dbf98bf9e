/** What the process of main.ts is asked, as its one argument (JSON), and what it answers its parent. Types only. */

import type { ErrorCode } from '../errors/table.js';
import type { WrittenTrace } from './write-trace.js';

export interface TraceRequest {
  /** Of recipeJson. */
  readonly recipe: string;
  /** A stage that trains. */
  readonly stage: string;
  /** Of the recipe's data. */
  readonly inputShape: readonly [number, number, number];
  readonly classes: number;
  readonly folder: string;
}

export type TraceAnswer =
  | ({ readonly type: 'written' } & WrittenTrace)
  | { readonly type: 'failed'; readonly code: ErrorCode; readonly message: string };
