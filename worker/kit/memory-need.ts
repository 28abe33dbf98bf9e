/** Work that needs more memory than there is, in words: what it was, what fits, and what the user can do. Pure. */

import { type PeerName, spellPeer } from '../../src/config/peer.js';
import type { EngineName } from '../../src/config/schema.js';
import { roundDown } from './batch-search.js';

/** The work that did not fit into memory. */
export interface MemoryNeed {
  readonly task: 'train' | 'answer' | 'test';
  /** The stage of the work; one of several models of a stage with its peer. */
  readonly peer: PeerName;
  /** The recipe's name of the model that computes. */
  readonly model: string;
  /** The images of one batch. */
  readonly size: number;
  /** The images of other students in its gathered batch; 0 where it has none. */
  readonly others: number;
  readonly engine: EngineName;
  /** The memory that the engine can have; null when that is not known. */
  readonly limitBytes: number | null;
  /** Whether the limit is the engine's own, on any machine. */
  readonly isOwnLimit: boolean;
}

/**
 * The share of the largest batch that fits where the system sets the limit. Another process may get less of it: memory grows by large
 * pieces, and others take some of it.
 */
const SAFE = 0.85;

/** The need in words. `largest`: the largest batch that was tried and fits, 0 when not even one image does; null when none was tried. */
export function describeNeed(need: MemoryNeed, largest: number | null): string {
  const fits = largest === null ? [] : [describeFit(need, largest)];
  return [
    `${spellPeer(need.peer)}: ${describeWork(need)} needs more memory than there is${describeLimit(need)}`,
    ...fits,
    adviceFor(need),
  ].join('. ');
}

function describeWork({ task, size, others, model }: MemoryNeed): string {
  const images = size === 1 ? 'one image' : `${size.toLocaleString('en-US')} images`;
  switch (task) {
    case 'train':
      return `a training step of ${images}${others === 0 ? '' : `, gathered with ${others.toLocaleString('en-US')} of other students,`} with the model ${model}`;
    case 'answer':
      return `an answer about ${images} by the model ${model}, which teaches,`;
    case 'test':
      return `a test of ${images} with the model ${model}`;
  }
}

function describeLimit({ engine, limitBytes, isOwnLimit }: MemoryNeed): string {
  if (limitBytes === null) return '';
  const size = limitBytes < 2 ** 30 ? `${Math.round(limitBytes / 2 ** 20)} MiB` : `${(limitBytes / 2 ** 30).toFixed(1)} GiB`;
  return isOwnLimit
    ? ` (the engine ${engine} has ${size}, the most that WebAssembly can have)`
    : ` (the engine ${engine} got no more than ${size})`;
}

function describeFit({ task, model, isOwnLimit }: MemoryNeed, largest: number): string {
  if (largest === 0) return 'Not even one image fits';
  const what = task === 'train' ? 'The largest batch' : `The largest batch of the model ${model}`;
  const tried = largest.toLocaleString('en-US');
  if (isOwnLimit) return `${what} that fits is about ${tried} (tried)`;
  return `${what} that fits safely is about ${Math.max(1, roundDown(SAFE * largest)).toLocaleString('en-US')} (${tried} was tried)`;
}

function adviceFor({ task, peer, others, isOwnLimit }: MemoryNeed): string {
  const more = isOwnLimit
    ? 'take an engine that can have more memory (workers.engine: tensorflow)'
    : 'give it more memory: fewer workers or threads on the machine, a higher limit, or another machine';
  if (task === 'test') return `To mend it, ${more}`;
  const smaller = `Begin a new run with a smaller batch (stages.${peer.stage}.batch)`;
  // More students make the gathered batch no smaller.
  if (others > 0) return `${smaller}, or ${more}`;
  return `${smaller}, which more students (workers.students) make up for${isOwnLimit ? '' : ' on other machines'}, or ${more}`;
}
