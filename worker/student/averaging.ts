/**
 * One exchange of a round: the arena of every other contributor, pulled from its owner, and the average of all in rank
 * order. Nothing is changed: an exchange that fails leaves the trained arenas for the next, smaller one.
 */

import { weightedAverage } from '../../src/averaging/weighted-average.js';
import { abortable } from '../../src/base/abortable.js';
import { subtractRanges, totalOf } from '../../src/data/shard-plan.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { Contributor, CoordinatorMessageOf } from '../../src/protocol/control.js';
import { cutText, type Range } from '../../src/protocol/field.js';
import { hashArena } from '../../src/tensor/arena-hash.js';
import { isFiniteArena } from '../../src/tensor/finite.js';
import type { EngineContext, ReportBody } from '../kit/context.js';
import { floatTensor } from '../kit/fetch-state.js';
import { DATA_TIMING } from '../kit/timing.js';
import { type Candidate, candidateOf, ownRanges, type TrainedArena } from './state.js';

const TRIES = 2;

interface PeerArena {
  /** The weight. */
  readonly samples: number;
  readonly parameters: Float32Array;
  /** Of this round alone. */
  readonly ranges: readonly Range[];
}

interface Unreachable {
  readonly peer: Contributor;
  readonly message: string;
}

export interface Exchange {
  /** Null when a peer was unreachable. */
  readonly candidate: Candidate | null;
  /** worker.averaged, or worker.unreachable for each such peer; for the caller to send once it holds the candidate. */
  readonly reports: readonly ReportBody[];
}

/** Pulls and averages. Throws the signal's reason when it is called off. */
export async function averageRound(
  context: EngineContext,
  own: TrainedArena,
  { order, signal }: { readonly order: CoordinatorMessageOf<'coordinator.average'>; readonly signal: AbortSignal },
): Promise<Exchange> {
  const { round, attempt, contributors } = order;
  const pulled = await abortable(Promise.all(contributors.map((peer) => pullOrOwn(context, own, peer))), signal);
  const arenas = pulled.flatMap((result) => ('parameters' in result ? [result] : []));
  if (arenas.length < pulled.length) {
    const unreachable = pulled.flatMap((result) => ('peer' in result ? [result] : []));
    const reports = unreachable.map(({ peer: { incarnation }, message }): ReportBody => {
      return { type: 'worker.unreachable', round, attempt, peer: incarnation, message };
    });
    return { candidate: null, reports };
  }
  const parameters = weightedAverage(arenas.map(({ samples, parameters: arena }) => ({ samples, arena })));
  const hash = hashArena(parameters);
  const candidate = candidateOf(own, { parameters, hash, contributed: arenas.map(({ ranges }) => ranges) });
  return { candidate, reports: [{ type: 'worker.averaged', round, attempt, hash, contained: totalOf(candidate.ranges) }] };
}

async function pullOrOwn(context: EngineContext, own: TrainedArena, peer: Contributor): Promise<PeerArena | Unreachable> {
  if (peer.incarnation === context.incarnation) {
    return { samples: own.samples, parameters: own.parameters, ranges: subtractRanges(own.ranges, own.base.ranges) };
  }
  let message = '';
  for (let i = 0; i < TRIES; i++) {
    try {
      return await pull(context, own, peer);
    } catch (error) {
      if (!(error instanceof StillhouseError)) throw error;
      message = cutText(error.message);
    }
  }
  return { peer, message };
}

async function pull(context: EngineContext, own: TrainedArena, peer: Contributor): Promise<PeerArena> {
  const { stage, round } = own;
  const body = { type: 'arena.get', term: context.term, stage, round } as const;
  const { header, tensors } = await context.peers.request(peer.endpoint, { body, deadlineMs: DATA_TIMING.arenaMs });
  const parameters = floatTensor(tensors, 'parameters');
  const ranges = ownRanges(own.base, header.ranges);
  const wrong = (what: string) => new StillhouseError('protocol.invalid', `round ${round}: ${what}`, { address: peer.endpoint });
  if (header.stage !== stage || header.round !== round) throw wrong(`the arena is of stage ${header.stage}, round ${header.round}`);
  if (parameters === null || parameters.length !== own.parameters.length) throw wrong('the arena is not of this model');
  if (ranges === null) throw wrong('the arena did not start from the same parameters');
  if (totalOf(ranges) !== peer.samples) throw wrong(`the arena contains ${totalOf(ranges)} samples of the round, not ${peer.samples}`);
  if (!isFiniteArena(parameters)) throw wrong('the arena is not finite');
  return { samples: peer.samples, parameters, ranges };
}
