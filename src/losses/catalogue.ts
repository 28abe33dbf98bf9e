/**
 * The loss terms of the package by the name that recipes use. No tfjs here: `load` brings the arithmetic, in a process that
 * computes. To add one: its declaration, its arithmetic, and its line here.
 */

import { suggest } from '../base/nearest.js';
import { attentionTransferDeclaration } from './attention-transfer-declaration.js';
import { crdDeclaration } from './crd-declaration.js';
import { dkdDeclaration } from './dkd-declaration.js';
import { fitnetsDeclaration } from './fitnets-declaration.js';
import { fspDeclaration } from './fsp-declaration.js';
import { gradientAttentionDeclaration } from './gradient-attention-declaration.js';
import { gramDeclaration } from './gram-declaration.js';
import { hintonDeclaration } from './hinton-declaration.js';
import type { LossDeclaration } from './loss-declaration.js';
import type { LossMethod } from './loss-method.js';
import { nstDeclaration } from './nst-declaration.js';
import { pktDeclaration } from './pkt-declaration.js';
import { rkdDeclaration } from './rkd-declaration.js';
import { lowEntropyDeclaration, rightDeclaration, weightedDeclaration, wideMarginDeclaration } from './selective-declaration.js';
import { similarityDeclaration } from './similarity-declaration.js';

export interface CatalogueEntry {
  readonly declaration: LossDeclaration;
  load(): Promise<LossMethod>;
}

export const LOSSES: Readonly<Record<string, CatalogueEntry>> = {
  hinton: { declaration: hintonDeclaration, load: async () => (await import('./hinton.js')).hinton },
  crd: { declaration: crdDeclaration, load: async () => (await import('./crd.js')).crd },
  dkd: { declaration: dkdDeclaration, load: async () => (await import('./dkd.js')).dkd },
  'attention-transfer': {
    declaration: attentionTransferDeclaration,
    load: async () => (await import('./attention-transfer.js')).attentionTransfer,
  },
  'gradient-attention': {
    declaration: gradientAttentionDeclaration,
    load: async () => (await import('./gradient-attention.js')).gradientAttention,
  },
  fitnets: { declaration: fitnetsDeclaration, load: async () => (await import('./fitnets.js')).fitnets },
  gram: { declaration: gramDeclaration, load: async () => (await import('./gram.js')).gram },
  fsp: { declaration: fspDeclaration, load: async () => (await import('./fsp.js')).fsp },
  nst: { declaration: nstDeclaration, load: async () => (await import('./nst.js')).nst },
  'selective-weighted': { declaration: weightedDeclaration, load: async () => (await import('./selective.js')).weighted },
  'selective-right': { declaration: rightDeclaration, load: async () => (await import('./selective.js')).right },
  'selective-entropy': { declaration: lowEntropyDeclaration, load: async () => (await import('./selective.js')).lowEntropy },
  'selective-margin': { declaration: wideMarginDeclaration, load: async () => (await import('./selective.js')).wideMargin },
  pkt: { declaration: pktDeclaration, load: async () => (await import('./pkt.js')).pkt },
  rkd: { declaration: rkdDeclaration, load: async () => (await import('./rkd.js')).rkd },
  similarity: { declaration: similarityDeclaration, load: async () => (await import('./similarity.js')).similarity },
};

/** The loss of this name; where there is none, the message that says so, with the nearest name. */
export function catalogueEntry(name: string): CatalogueEntry | string {
  const entry = Object.hasOwn(LOSSES, name) ? LOSSES[name] : undefined;
  return entry ?? `there is no loss "${name}" in the package${suggest(name, Object.keys(LOSSES))}`;
}
