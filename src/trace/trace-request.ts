/** The request to the process of main.ts, its one argument (JSON), and its answer to its parent. Types only. */

import type { PeerName } from '../config/peer.js';
import type { ErrorCode } from '../errors/table.js';
import type { WrittenTrace } from './write-trace.js';

export interface TraceRequest {
  /** As recipeJson writes it. */
  readonly recipe: string;
  /** A model that a stage trains. */
  readonly model: PeerName;
  /** [H, W, C] of the recipe's data. */
  readonly inputShape: readonly [number, number, number];
  readonly classes: number;
  /** The number of samples of each split. */
  readonly splitSizes: Readonly<Record<string, number>>;
  readonly folder: string;
}

export type TraceAnswer =
  | ({ readonly type: 'written' } & WrittenTrace)
  | { readonly type: 'failed'; readonly code: ErrorCode; readonly message: string };
