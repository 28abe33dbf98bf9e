/**
 * One stage under way: its ledger, the committed parameters of its peers and their holders, the round, the evaluations.
 *
 * Invariants: rounds start from `base` only, which contains the samples that the ledger says; the peers of a base are of one
 * commit; an evaluation belongs to a base that no rollback has undone.
 */

import { present } from '../../src/base/assert.js';
import type { Incarnation } from '../../src/base/ids.js';
import type { FinishedModel, PeerName } from '../../src/config/peer.js';
import type { StageRecipe } from '../../src/config/schema.js';
import { totalOf } from '../../src/data/shard-plan.js';
import type { Range } from '../../src/protocol/field.js';
import type { Evaluation, StageResult } from '../../src/protocol/report.js';
import type { StateName } from '../../src/protocol/state-name.js';
import { bestKeptOf, bestOf } from './best.js';
import { type Lockstep, sharesWaited, timesLate } from './grid.js';
import type { Learning } from './learning.js';
import { committedOf, type Ledger, openLedger } from './ledger.js';
import type { Round } from './round.js';
import type { CheckpointInfo } from './types.js';

/** The needs of a stage, as facts: its kind reads them from the recipe (kinds/stage-kind.ts). */
export interface StageNeeds {
  /** The peers that it trains, in the order of the rows; empty when it works on the parameters of `of`. */
  readonly peers: readonly string[];
  /** The model that it works on; null in a stage that trains. */
  readonly of: FinishedModel | null;
  /** By peer, the finished model with whose parameters it begins; new ones for the others. */
  readonly init: ReadonlyMap<string, PeerName>;
  /** The model that teaches it; null when no model does. */
  readonly teacher: PeerName | null;
  /** The split and the epochs that it trains on; null in a stage that trains nothing. */
  readonly training: { readonly split: string; readonly epochs: number } | null;
  /** The number of commits between two checkpoints. */
  readonly checkpointEvery: number;
}

/** Where steps were not finite, and how often in a row. */
export interface Divergence {
  /** The first position of the last such step. */
  readonly position: number;
  /** The number of such steps near each other, since the stage was opened or went back because of them. */
  readonly inRow: number;
  /** Whether the stage has gone back because of them. */
  readonly hasGoneBack: boolean;
}

/** The parameters of a finished model, which are on disk. */
export interface FinishedState {
  readonly state: StateName;
  readonly hash: string;
}

/** The committed parameters of one peer. */
export interface PeerBase {
  /** Null in round 0, and until it is computed: a commit of one replica has none. */
  readonly hash: string | null;
  /** The live incarnations that hold them in memory. */
  readonly holders: readonly Incarnation[];
  /** The replicas of the commit, by column, also those that are gone; empty where the parameters come from a checkpoint. */
  readonly replicas: readonly Incarnation[];
  /** Whether a checkpoint holds exactly these parameters. */
  readonly isStored: boolean;
}

/** The committed parameters. */
export interface StageBase {
  /** The round whose commit made them; 0 for the initial ones, which every worker can build or fetch. */
  readonly round: number;
  readonly peers: ReadonlyMap<string, PeerBase>;
}

/** One peer's part of a checkpoint under way. */
export type SavingPart =
  /** This member was asked for it. `hash` is the expected hash; null when it is not known yet. `replicas`: how many the peer has. */
  | { readonly isStored: false; readonly holder: Incarnation; readonly hash: string | null; readonly replicas: number }
  | { readonly isStored: true; readonly hash: string };

/** A checkpoint under way: it is whole when the parts of all peers are stored. */
export interface Saving {
  readonly round: number;
  readonly committed: number;
  /** Whether somebody asked for it. */
  readonly isWanted: boolean;
  /** By peer. */
  readonly parts: ReadonlyMap<string, SavingPart>;
  readonly deadlineMs: number;
}

export interface StageState {
  readonly name: string;
  readonly recipe: StageRecipe;
  readonly needs: StageNeeds;
  readonly ledger: Ledger;
  readonly base: StageBase;
  readonly round: Round | null;
  readonly saving: Saving | null;
  /** Whole checkpoints up to `base`, oldest first. */
  readonly checkpoints: readonly CheckpointInfo[];
  readonly evaluations: readonly Evaluation[];
  /** By peer, the state with whose parameters it begins. */
  readonly init: ReadonlyMap<string, FinishedState>;
  /** The epoch of the model that `needs.of` names, where that is not its last; 0 otherwise. */
  readonly sourceEpoch: number;
  /** The state that teachers serve; null when no model teaches. */
  readonly taughtBy: FinishedState | null;
  /** The version of the links, and the links that each student was last sent. A student that was withdrawn from a round is sent them again. */
  readonly linkVersion: number;
  readonly links: ReadonlyMap<Incarnation, readonly Incarnation[]>;
  readonly isExported: boolean;
  /** The number of commits, also those that a rollback has undone. */
  readonly commits: number;
  readonly commitsSinceCheckpoint: number;
  /** By peer, what people were last told of replicas whose optimiser's state is not in a checkpoint. */
  readonly toldOfReplicas: ReadonlyMap<string, string>;
  /** Whether somebody wants a checkpoint of the next commit. */
  readonly isSaveWanted: boolean;
  /** The time at which the last checkpoint was asked for, or the stage was opened. */
  readonly savedMs: number;
  readonly startedMs: number;
  /** The last step that was not finite. */
  readonly divergence: Divergence | null;
  /** The cost of lockstep to each peer, over all its commits, also those that a rollback has undone; empty for one peer. */
  readonly lockstep: Readonly<Record<string, Lockstep>>;
  /** By peer, the mean training loss of the last commit of this term; empty for one peer. */
  readonly losses: Readonly<Record<string, number>>;
  /** The training since the last evaluation, or since the stage went back. */
  readonly learning: Learning;
  /** By worker, its cell in the last round of training; empty for one peer. */
  readonly seats: ReadonlyMap<string, { readonly peer: string; readonly column: number }>;
  /** The incarnations that a commit of this term was of: they have made steps of the stage. */
  readonly contributed: ReadonlySet<Incarnation>;
  /** By incarnation that has made none, the number of rounds of which it was a cell and that waited for a first step until their deadline. */
  readonly lateAtFirst: ReadonlyMap<Incarnation, number>;
  /** The students that had no cell in the last round of training. */
  readonly spare: ReadonlySet<string>;
  /** The commits of the last seconds by the last contributors, oldest first, for the present rate. */
  readonly recent: readonly { readonly atMs: number; readonly committed: number; readonly contributors: string }[];
  /** The time since which workers are missing, and the models that lack a student; null when none are missing. */
  readonly waiting: { readonly sinceMs: number; readonly missing: readonly string[] } | null;
  /** Milliseconds per sample of the slowest cell of the last round; null before the first. */
  readonly msPerSample: number | null;
  /** The number of rounds, saves and loads that failed since the last one that succeeded. */
  readonly failures: number;
  /** After a failure, nothing is begun before this time. */
  readonly pauseUntilMs: number;
}

/** A stage at its beginning, or at its last checkpoint. Throws when a stage that it names is not done. */
export function openStage(options: {
  readonly name: string;
  readonly recipe: StageRecipe;
  readonly needs: StageNeeds;
  readonly splitSizes: Readonly<Record<string, number>>;
  /** The stage's own checkpoints, oldest first; it goes on from the last. */
  readonly checkpoints: readonly CheckpointInfo[];
  /** The number of commits of earlier terms. */
  readonly commits: number;
  /** The cost of lockstep to each peer, over those commits. */
  readonly lockstep: StageState['lockstep'];
  /** The training loss of each peer in the last commit. */
  readonly losses: StageState['losses'];
  readonly done: readonly StageResult[];
  readonly evaluations: readonly Evaluation[];
  /** The samples that were taken out of the stage in earlier terms. */
  readonly skipped: readonly Range[];
  readonly nowMs: number;
}): StageState {
  const { name, recipe, needs, checkpoints, done } = options;
  const checkpoint = checkpoints.at(-1) ?? null;
  const size = needs.training === null ? 0 : (options.splitSizes[needs.training.split] ?? 0);
  const source = needs.of === null ? null : workedOn(done, needs.of);
  const from = source === null ? checkpoint : source.checkpoint;
  return {
    name,
    recipe,
    needs,
    ledger: openLedger({
      size,
      epochs: needs.training?.epochs ?? 0,
      contained: checkpoint?.ranges ?? [],
      skipped: options.skipped,
    }),
    base: baseOf(from, needs.of === null ? needs.peers : [needs.of.peer]),
    round: null,
    saving: null,
    checkpoints,
    evaluations: options.evaluations,
    init: new Map([...needs.init].map(([peer, model]) => [peer, finishedState(done, model)])),
    sourceEpoch: source?.epoch ?? 0,
    taughtBy: needs.teacher === null ? null : finishedState(done, needs.teacher),
    linkVersion: 0,
    links: new Map(),
    isExported: false,
    commits: options.commits,
    commitsSinceCheckpoint: 0,
    toldOfReplicas: new Map(),
    isSaveWanted: false,
    savedMs: options.nowMs,
    startedMs: options.nowMs,
    recent: [],
    divergence: null,
    lockstep: options.lockstep,
    losses: options.losses,
    learning: {},
    seats: new Map(),
    contributed: new Set(),
    lateAtFirst: new Map(),
    spare: new Set(),
    waiting: null,
    msPerSample: null,
    failures: 0,
    pauseUntilMs: 0,
  };
}

/** The parameters of a finished model that a stage works on. `epoch` is 0 for its last ones; there the best may be the last as well. */
export function workedOn(done: readonly StageResult[], { stage, peer, epoch }: FinishedModel): Source {
  const result = done.find((candidate) => candidate.stage === stage);
  const last = result?.checkpoint ?? null;
  const best = epoch === 'best' ? result?.best[peer] : undefined;
  if (best === undefined || best.round === last?.round) return { checkpoint: last, epoch: 0 };
  return { checkpoint: { round: best.round, hashes: { [peer]: best.hash } }, epoch: best.epoch };
}

/** The parameters that a stage works on. */
interface Source {
  readonly checkpoint: StageResult['checkpoint'];
  readonly epoch: number;
}

/** The final parameters of a peer of a finished stage, which must have a checkpoint. */
export function finishedState(done: readonly StageResult[], { stage, peer }: PeerName): FinishedState {
  const { round, hashes } = present(done.find((result) => result.stage === stage)?.checkpoint, `the checkpoint of stage ${stage}`);
  return { state: { stage, peer, round }, hash: present(hashes[peer], `the peer ${peer} of stage ${stage}`) };
}

/** The base of a checkpoint; without one, the initial parameters. No member holds it in memory yet. */
export function baseOf(checkpoint: StageResult['checkpoint'], peers: readonly string[]): StageBase {
  const entries = peers.map((peer): [string, PeerBase] => {
    return [peer, { hash: checkpoint?.hashes[peer] ?? null, holders: [], replicas: [], isStored: checkpoint !== null }];
  });
  return { round: checkpoint?.round ?? 0, peers: new Map(entries) };
}

/** Whether a checkpoint holds the whole base, or the base needs none: every worker can build the initial parameters. */
export function isSafe({ round, peers }: StageBase): boolean {
  return round === 0 || [...peers.values()].every(({ isStored }) => isStored);
}

/** The peers whose parameters are lost: no live member and no disk holds them. */
export function lostPeers({ round, peers }: StageBase): readonly string[] {
  return round === 0 ? [] : [...peers].flatMap(([peer, { isStored, holders }]) => (!isStored && holders.length === 0 ? [peer] : []));
}

/** Whether the parameters of a peer are lost. */
export function isLost(base: StageBase): boolean {
  return lostPeers(base).length > 0;
}

/** The base with one peer's part changed. */
export function withPeer(base: StageBase, peer: string, change: Partial<PeerBase>): StageBase {
  const part = present(base.peers.get(peer), `the peer ${peer}`);
  return { ...base, peers: new Map(base.peers).set(peer, { ...part, ...change }) };
}

/** The base without these incarnations as holders. */
export function withoutHolders(base: StageBase, gone: readonly Incarnation[]): StageBase {
  const parts = [...base.peers].map(([peer, part]): [string, PeerBase] => {
    return [peer, { ...part, holders: part.holders.filter((holder) => !gone.includes(holder)) }];
  });
  return { ...base, peers: new Map(parts) };
}

/** The newest evaluation of this peer in the stage; null before the first. */
export function lastEvaluation({ evaluations }: Pick<StageState, 'evaluations'>, peer: string): Evaluation | null {
  return evaluations.findLast((evaluation) => evaluation.peer === peer) ?? null;
}

/** The result of the stage as it is now. */
export function resultOf(stage: StageState, nowMs: number): StageResult {
  return {
    stage: stage.name,
    tests: testsOf(stage),
    checkpoint: stage.needs.of === null ? checkpointOf(stage.base) : null,
    best: bestKeptOf(stage),
    commits: stage.commits,
    samples: committedOf(stage.ledger),
    waited: sharesWaited(stage.lockstep),
    late: timesLate(stage.lockstep),
    losses: stage.losses,
    skipped: totalOf(stage.ledger.skipped),
    seconds: (nowMs - stage.startedMs) / 1000,
  };
}

/** The last and the best evaluation of each peer, in the order in which the peers were first evaluated. */
function testsOf(stage: StageState): StageResult['tests'] {
  return [...bestOf(stage)].map(([peer, best]) => ({ last: lastEvaluation(stage, peer) ?? best, best }));
}

function checkpointOf({ round, peers }: StageBase): StageResult['checkpoint'] {
  const hashes = [...peers].map(([peer, { hash }]) => [peer, present(hash, `the hash of the stored peer ${peer}`)]);
  return round === 0 ? null : { round, hashes: Object.fromEntries(hashes) };
}
