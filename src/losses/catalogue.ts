/**
 * The loss terms of the package by the name that recipes use. No tfjs here: `load` brings the arithmetic, in a process that
 * computes. One more: its declaration, its arithmetic, and its line here.
 */

import { hintonDeclaration } from './hinton-declaration.js';
import type { LossDeclaration } from './loss-declaration.js';
import type { LossMethod } from './loss-method.js';

export interface CatalogueEntry {
  readonly declaration: LossDeclaration;
  load(): Promise<LossMethod>;
}

export const LOSSES: Readonly<Record<string, CatalogueEntry>> = {
  hinton: { declaration: hintonDeclaration, load: async () => (await import('./hinton.js')).hinton },
};
