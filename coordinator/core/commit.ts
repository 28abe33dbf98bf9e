/**
 * Commits a round: from here on its samples count, for all peers together. Writes one line of the journal, and sends a message to
 * each contributor.
 */

import type { RoundId } from '../../src/base/ids.js';
import { addLockstep, cellsOf, type Grid, type GridTotals, peersOf, rowOf, sharesWaited, totalsOf } from './grid.js';
import { addRound } from './learning.js';
import { commitLent, committedOf, epochsDone, samplesOf } from './ledger.js';
import type { PeerBase } from './stage.js';
import { journal, report, sendTo, setStage, stageOf, type Turn } from './turn.js';

/** The reported rate is the rate of the last 10 seconds. */
const RATE_WINDOW_MS = 10_000;
/** The time left is known once the present contributors were measured for this long: the first round of a new one has its warm-up. */
const STEADY_MS = 2_000;

/** The contents of a commit. */
export interface Commit {
  readonly round: RoundId;
  /** The contributors. Their ranges are all the ranges that are lent. */
  readonly grid: Grid;
  /** The hash of each peer; null when the row has one replica, whose own state is committed. */
  readonly hashes: ReadonlyMap<string, string | null>;
}

/** Commits the samples that the grid has trained, and ends the round. */
export function commit(turn: Turn, { round, grid, hashes }: Commit): void {
  const stage = stageOf(turn);
  const ledger = commitLent(stage.ledger);
  const committed = committedOf(ledger);
  const contributors = cellsOf(grid).map(({ incarnation }) => incarnation);
  const totals = totalsOf(grid);
  const isLate = stage.round?.sort === 'grid' && stage.round.concluding === 'late';
  journal(turn, {
    type: 'commit',
    stage: stage.name,
    round,
    contributors,
    ranges: stage.ledger.lent,
    hashes: Object.fromEntries(hashes),
    committed,
    lockstep: totals.lockstep,
    losses: totals.losses,
  });
  for (const { incarnation, peer } of cellsOf(grid)) {
    const state = { stage: stage.name, peer, round };
    sendTo(turn, incarnation, { type: 'coordinator.commit', state, hash: hashes.get(peer) ?? null, committed });
  }
  const parts = peersOf(grid).map((peer): [string, PeerBase] => {
    const holders = rowOf(grid, peer).map(({ incarnation }) => incarnation);
    return [peer, { hash: hashes.get(peer) ?? null, holders, replicas: holders, isStored: false }];
  });
  setStage(turn, {
    ledger,
    base: { round, peers: new Map(parts) },
    round: null,
    commits: stage.commits + 1,
    commitsSinceCheckpoint: stage.commitsSinceCheckpoint + 1,
    // A round that was late has waited: its time says little about that of a sample.
    msPerSample: isLate ? stage.msPerSample : totals.msPerSample,
    lockstep: addLockstep(stage.lockstep, totals.lockstep),
    losses: totals.losses,
    learning: addRound(stage.learning, grid),
    contributed: new Set([...stage.contributed, ...contributors]),
    failures: 0,
  });
  const reached = [...turn.state.roster].map(
    ([key, member]) => [key, contributors.includes(key) ? { ...member, unreachable: 0 } : member] as const,
  );
  turn.state = { ...turn.state, commits: turn.state.commits + 1, roster: new Map(reached) };
  reportProgress(turn, round, { totals, contributors: contributors.toSorted((a, b) => a - b).join() });
}

function reportProgress(
  turn: Turn,
  round: number,
  { totals, contributors }: { readonly totals: GridTotals; readonly contributors: string },
): void {
  const { name, ledger, recent: all } = stageOf(turn);
  const committed = committedOf(ledger);
  const recent = all.filter((past) => past.contributors === contributors);
  const measuredMs = turn.nowMs - (recent[0]?.atMs ?? turn.nowMs);
  const imagesPerSecond = presentRate(recent, { atMs: turn.nowMs, committed }) ?? (1000 * totals.samples) / Math.max(totals.trainMs, 1);
  const fresh = recent.filter(({ atMs }) => atMs > turn.nowMs - RATE_WINDOW_MS);
  setStage(turn, { recent: [...fresh, { atMs: turn.nowMs, committed, contributors }] });
  report(turn, {
    type: 'progress',
    stage: name,
    round,
    epoch: Math.min(epochsDone(ledger) + 1, ledger.epochs),
    epochs: ledger.epochs,
    committed,
    samples: samplesOf(ledger),
    loss: totals.lossSum / totals.samples,
    losses: totals.losses,
    trainAccuracy: totals.correct / totals.samples,
    waited: sharesWaited(totals.lockstep),
    imagesPerSecond,
    secondsLeft: measuredMs < STEADY_MS ? null : (samplesOf(ledger) - committed) / imagesPerSecond,
  });
}

/** Images per second since the oldest of the recent commits; null before there are two. */
function presentRate(
  recent: readonly { readonly atMs: number; readonly committed: number }[],
  now: { readonly atMs: number; readonly committed: number },
): number | null {
  const oldest = recent[0];
  return oldest === undefined || now.atMs <= oldest.atMs ? null : (1000 * (now.committed - oldest.committed)) / (now.atMs - oldest.atMs);
}
