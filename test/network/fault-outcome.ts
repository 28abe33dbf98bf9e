/** The outcome of a case of the fault matrix, from the files of its run, and the table of all outcomes. */

import { runFolderAt } from '../../coordinator/shell/run-folder.js';
import { journalOf, jsonLines, logged } from '../support/run-record.js';

export interface FaultOutcome {
  readonly name: string;
  /** The seconds from the fault to the first warning of the coordinator, and its event. */
  readonly noticed: string;
  /** The seconds from the heal to the next commit; null when the stage was over before the heal. */
  readonly healToCommit: number | null;
  /** The longest time without a commit from the fault on, in seconds. */
  readonly longestPause: number;
  /** Rounds that ended without a commit. */
  readonly withdrawn: number;
  /** Commits that were undone by going back to a checkpoint. */
  readonly undone: number;
  /** The number of engines that each worker had: every one is a life. */
  readonly lives: Readonly<Record<string, number>>;
}

const STAGE = 'pair';

/** Reads the outcome. The times are of this machine's wall clock, in milliseconds. */
export async function readOutcome(
  name: string,
  run: string,
  at: { readonly faultMs: number; readonly healMs: number },
): Promise<FaultOutcome> {
  const commits = jsonLines(runFolderAt(run).metrics)
    .filter(({ type, stage }) => type === 'progress' && stage === STAGE)
    .map(timeOf);
  const after = commits.find((time) => time >= at.healMs);
  const gaps = commits.slice(1).map((time, i) => ({ time, gap: time - (commits[i] ?? time) }));
  const warning = jsonLines(runFolderAt(run).log).find((line) => line.level === 'warn' && timeOf(line) >= at.faultMs);
  return {
    name,
    noticed: warning === undefined ? '-' : `${((timeOf(warning) - at.faultMs) / 1000).toFixed(1)} ${String(warning.event)}`,
    healToCommit: after === undefined ? null : (after - at.healMs) / 1000,
    longestPause: Math.max(0, ...gaps.filter(({ time }) => time >= at.faultMs).map(({ gap }) => gap / 1000)),
    ...(await lostRounds(run)),
    lives: countBy(logged(run, 'worker.welcomed').map(({ worker }) => String(worker))),
  };
}

async function lostRounds(run: string): Promise<Pick<FaultOutcome, 'withdrawn' | 'undone'>> {
  const commits = (await journalOf(run, 'commit')).filter(({ stage }) => stage === STAGE);
  const rounds = commits.map(({ round }) => Number(round));
  const withdrawn = Math.max(...rounds) - Math.min(...rounds) + 1 - new Set(rounds).size;
  // Where a commit has no more samples than one before it, that one was undone.
  const undone = commits.filter(({ committed }, i) => commits.slice(i + 1).some((later) => later.committed <= committed));
  return { withdrawn, undone: undone.length };
}

function timeOf({ time }: Readonly<Record<string, unknown>>): number {
  return new Date(time as string | number).getTime();
}

function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/** One line for each outcome, in columns. */
export function tabulate(
  outcomes: readonly { readonly outcome: FaultOutcome | null; readonly name: string; readonly verdict: string }[],
): string {
  const head = [
    'case',
    'outcome',
    'heal to commit, s',
    'longest pause, s',
    'rounds withdrawn',
    'commits undone',
    'lives',
    'noticed after, s',
  ];
  const rows = outcomes.map(({ name, verdict, outcome }) => [name, verdict, ...(outcome === null ? [] : cellsOf(outcome))]);
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function cellsOf({ healToCommit, longestPause, withdrawn, undone, lives, noticed }: FaultOutcome): string[] {
  const living = Object.entries(lives).map(([worker, count]) => `${worker} ${count}`);
  return [healToCommit?.toFixed(1) ?? 'over before', longestPause.toFixed(1), `${withdrawn}`, `${undone}`, living.join(', '), noticed];
}
