/** Small checkpoints to store. */

import { createHash } from 'node:crypto';
import { asTerm } from '../../../src/base/ids.js';
import type { CheckpointContent, StoredCheckpoint } from '../../../src/checkpoint/read-checkpoint.js';
import type { CheckpointStore, PartOutcome } from '../../../src/checkpoint/store.js';
import { MODEL_PEER } from '../../../src/config/peer.js';
import type { StateName } from '../../../src/protocol/state-name.js';
import { layoutOf, partFromWire, partsOf, partToWire } from '../../../src/tensor/state-parts.js';
import { writeTopology } from '../../../src/tensor/topology.js';

export const sha256 = (values: Float32Array): string =>
  createHash('sha256')
    .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    .digest('hex');

/** The name of a state of the stage `base`. */
export const stateOf = (round: number, stage = 'base'): StateName => ({ stage, peer: MODEL_PEER, round });

/** The topology of a model of one weight of so many elements. */
export function topologyFor(size: number, metadata?: Readonly<Record<string, unknown>>): Uint8Array {
  const weights = [{ name: 'logits/kernel', shape: [size], dtype: 'float32' as const }];
  const parts = { generatedBy: 'a test', modelTopology: { class_name: 'Model' }, weights, userDefinedMetadata: metadata };
  return writeTopology(parts) as Uint8Array;
}

export function contentOf(round: number, change: Partial<StoredCheckpoint> & { size?: number } = {}): CheckpointContent {
  const { size = 100, ...info } = change;
  const parameters = Float32Array.from({ length: size }, (_, i) => Math.sin(i + round));
  const slots = Float32Array.from({ length: 7 }, (_, i) => i / 3 + round);
  return {
    info: {
      state: stateOf(round),
      term: asTerm(1),
      ranges: [{ start: 0, end: 64 * round }],
      hash: sha256(parameters),
      schema: '0'.repeat(64),
      ...info,
    },
    tensors: new Map([
      ['parameters', parameters],
      ['slots', slots],
    ]),
    topology: topologyFor(size),
  };
}

/** Puts a checkpoint in parts of so many elements, and answers the last outcome; the parts after one that is refused are not put. */
export async function putInParts(
  store: CheckpointStore,
  { info, tensors, topology }: CheckpointContent,
  elements: number,
): Promise<PartOutcome> {
  const layout = layoutOf(tensors);
  const parts = partsOf(layout, elements);
  let outcome: PartOutcome = { stored: 'part' };
  for (const [i, part] of parts.entries()) {
    const pieces = partFromWire(layout, part.start, partToWire(tensors, part));
    if (typeof pieces === 'string') throw new Error(pieces);
    outcome = await store.putPart({ info, layout, start: part.start, pieces, topology: i === parts.length - 1 ? topology : null });
    if (outcome.stored !== 'part') break;
  }
  return outcome;
}
