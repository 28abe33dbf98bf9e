/**
 * The best evaluations of a stage, and whether a checkpoint holds the parameters that they tested. Pure.
 *
 * Invariant: of equal accuracies the first is the best.
 */

import type { Evaluation, StageResult } from '../../src/protocol/report.js';
import type { CheckpointInfo } from './types.js';

/** The parts of a stage that these questions are about. */
interface Evaluated {
  readonly evaluations: readonly Evaluation[];
}
interface Kept extends Evaluated {
  /** The whole checkpoints. */
  readonly checkpoints: readonly CheckpointInfo[];
}
interface Based extends Kept {
  /** The committed parameters. */
  readonly base: { readonly round: number };
}

/** The best evaluation of each peer, by its name, in the order in which the peers were first evaluated. */
export function bestOf({ evaluations }: Evaluated): ReadonlyMap<string, Evaluation> {
  const best = new Map<string, Evaluation>();
  for (const evaluation of evaluations) {
    const before = best.get(evaluation.peer);
    if (before === undefined || evaluation.accuracy > before.accuracy) best.set(evaluation.peer, evaluation);
  }
  return best;
}

/** The best evaluation of each peer among those whose parameters a whole checkpoint holds. */
export function keptBest({ evaluations, checkpoints }: Kept): ReadonlyMap<string, Evaluation> {
  const rounds = new Set(checkpoints.map(({ round }) => round));
  return bestOf({ evaluations: evaluations.filter(({ round }) => rounds.has(round)) });
}

/** Whether an evaluation of the base is the best of a peer so far, and no checkpoint holds the base. */
export function isBestUnsaved(stage: Based): boolean {
  const { round } = stage.base;
  if (round === 0 || stage.checkpoints.some((checkpoint) => checkpoint.round === round)) return false;
  return [...bestOf(stage).values()].some((best) => best.round === round);
}

/** For the result of a stage: by peer, the best evaluation that a checkpoint holds, with the hash of its parameters. */
export function bestKeptOf(stage: Kept): StageResult['best'] {
  const best = [...keptBest(stage)].flatMap(([peer, { round, epoch, accuracy }]) => {
    const hash = stage.checkpoints.find((checkpoint) => checkpoint.round === round)?.hashes[peer];
    return hash === undefined ? [] : [[peer, { round, epoch, accuracy, hash }] as const];
  });
  return Object.fromEntries(best);
}

/** The best evaluations whose parameters no checkpoint holds, each with the best that one does hold. */
export function lostBest(stage: Kept): readonly { readonly lost: Evaluation; readonly kept: Evaluation | null }[] {
  const held = keptBest(stage);
  return [...bestOf(stage)].flatMap(([peer, lost]) => {
    const kept = held.get(peer) ?? null;
    return kept?.round === lost.round ? [] : [{ lost, kept }];
  });
}
