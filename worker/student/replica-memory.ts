/** The memory of a loss, in a row of replicas: which rows a replica gives, and the memory that comes of all. */

import { mergeMemory, packedSize, packMemory } from '../../src/averaging/memory-rows.js';
import { present } from '../../src/base/assert.js';
import type { Range } from '../../src/protocol/field.js';
import type { StageModel } from '../kit/stage-model.js';
import { samplesAt } from './batch-plan.js';

export interface ReplicaMemory {
  /** The number of elements that a replica gives for so many samples of the round. */
  sizeFor(samples: number): number;
  /** The part of a replica that has trained these positions of the round. */
  pack(arena: Float32Array, own: readonly Range[]): Float32Array;
  /** The whole arena of an average: its parameters, and the memory that comes of that in the arena `base`. `parts` are in rank order. */
  join(averaged: Float32Array, base: Float32Array, parts: readonly MemoryPart[]): Float32Array;
}

/** The part of one replica. */
export interface MemoryPart {
  /** The positions that it has trained in the round. */
  readonly own: readonly Range[];
  readonly packed: Float32Array;
}

/** The memory of the model's loss; null where it keeps none. `seed` is that of the order of the samples. */
export function replicaMemory(
  { program: { schema }, training }: Pick<StageModel, 'program' | 'training'>,
  seed: number,
): ReplicaMemory | null {
  if (schema.averaged === schema.size) return null;
  const order = { seed, size: present(training?.samples, 'the number of samples') };
  return {
    sizeFor: (samples) => packedSize(schema, samples),
    pack: (arena, own) => packMemory(schema, arena, samplesAt(own, order)),
    join(averaged, base, parts) {
      const arena = new Float32Array(schema.size);
      arena.set(averaged);
      const rows = parts.map(({ own, packed }) => ({ samples: samplesAt(own, order), packed }));
      arena.set(mergeMemory(schema, base, rows), schema.averaged);
      return arena;
    },
  };
}
