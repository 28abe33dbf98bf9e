/** One attempt of a round to average with the other replicas: takes the order, gives the candidate and the reports. */

import type { Averaging } from '../../src/averaging/averaging.js';
import { asRoundId } from '../../src/base/ids.js';
import { totalOf } from '../../src/data/shard-plan.js';
import type { Contributor, CoordinatorMessageOf } from '../../src/protocol/control.js';
import type { Range } from '../../src/protocol/field.js';
import { hashState } from '../../src/tensor/state-tensors.js';
import type { ReportBody } from '../kit/context.js';
import type { ReplicaMemory } from './replica-memory.js';
import { type Candidate, candidateOf, ownRanges, rangesProblem, type TrainedState } from './state.js';

export interface AverageResult {
  /** Null when a replica was unreachable. */
  readonly candidate: Candidate | null;
  /** worker.averaged, or worker.unreachable for each unreachable replica. The caller sends them once it holds the candidate. */
  readonly reports: readonly ReportBody[];
}

export interface AverageOptions {
  readonly order: CoordinatorMessageOf<'coordinator.average'>;
  /** The memory of the loss, with the arena that the round started from; null where it keeps nothing. */
  readonly memory: { readonly rows: ReplicaMemory; readonly base: Float32Array } | null;
  readonly signal: AbortSignal;
}

/** Averages the offered arenas. Throws the signal's reason when it is cancelled. */
export async function averageRound(averaging: Averaging, own: TrainedState, options: AverageOptions): Promise<AverageResult> {
  const { order, memory, signal } = options;
  const { state, attempt, contributors } = order;
  const round = asRoundId(state.round);
  const check = (contributor: Contributor, ranges: readonly Range[]) => rangesProblem(own, contributor, ranges);
  const memorySize = memory === null ? undefined : (samples: number) => memory.rows.sizeFor(samples);
  const outcome = await averaging.average({ state, attempt, contributors, check, memorySize }, signal);
  if (!outcome.ok) {
    const reports = outcome.unreachable.map(({ replica, message }): ReportBody => {
      return { type: 'worker.unreachable', round, attempt, replica, message };
    });
    return { candidate: null, reports };
  }
  const { ranges: contributed } = outcome;
  const parts = outcome.memory.map((packed, i) => ({ own: ownRanges(own.base, contributed[i] ?? []) ?? [], packed }));
  const parameters = memory === null ? outcome.parameters : memory.rows.join(outcome.parameters, memory.base, parts);
  const hash = hashState(new Map([['parameters', parameters]]));
  const candidate = candidateOf(own, { parameters, hash, contributed });
  const contained = totalOf(candidate.ranges);
  return { candidate, reports: [{ type: 'worker.averaged', round, attempt, hash, contained }] };
}
