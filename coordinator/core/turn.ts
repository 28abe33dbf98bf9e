/**
 * One turn of the core: the state so far, the effects so far, and the time. Functions that decide take the turn,
 * replace its state and add effects; a state itself is never changed.
 */

import { present } from '../../src/base/assert.js';
import type { Incarnation, RoundId } from '../../src/base/ids.js';
import type { ErrorCode } from '../../src/errors/table.js';
import type { CoordinatorMessage } from '../../src/protocol/control.js';
import type { Outcome, Report, StageResult } from '../../src/protocol/report.js';
import type { Counters, Roster } from './roster.js';
import type { StageState } from './stage.js';
import type { Effect, JournalRecord, Recovered, RunPlan } from './types.js';

/** The run ends as soon as the committed state is on disk, or at the deadline: a stop was asked for, or the run has failed. */
export interface Stopping {
  readonly type: 'stopping';
  readonly reason: string;
  /** Null: a stop was asked for. */
  readonly failure: ErrorCode | null;
  readonly deadlineMs: number;
}

export type RunPhase = { readonly type: 'running' } | Stopping | { readonly type: 'ended'; readonly outcome: Outcome };

/** The sums over incarnations that are gone, for the summary. */
export interface Totals {
  readonly perRole: Readonly<Record<'teacher' | 'student', Counters>>;
  readonly engines: readonly string[];
  readonly restarts: number;
}

export interface RunState {
  readonly plan: RunPlan;
  readonly phase: RunPhase;
  readonly roster: Roster;
  /** The time until which the first stage waits for more students; null until the first student is ready. */
  readonly gatherUntilMs: number | null;
  /** Names that were welcomed in this term. A second welcome of a name is a restart. */
  readonly known: ReadonlySet<string>;
  /** Stages in the order to run them. */
  readonly order: readonly string[];
  readonly done: readonly StageResult[];
  /** The stage under way; null between stages and after the last. */
  readonly stage: StageState | null;
  /** The state of an earlier term, for the first stage that runs; used once. */
  readonly left: Recovered | null;
  /** The causes for which members were sent away, as failing.ts names them. */
  readonly sentAwayFor: ReadonlySet<string>;
  readonly nextIncarnation: number;
  readonly nextRound: number;
  readonly commits: number;
  readonly totals: Totals;
}

export interface Turn {
  state: RunState;
  readonly effects: Effect[];
  readonly nowMs: number;
}

/** The stage under way. Throws when there is none. */
export function stageOf(turn: Turn): StageState {
  return present(turn.state.stage, 'the stage under way');
}

/** Changes fields of the stage under way. */
export function setStage(turn: Turn, change: Partial<StageState>): void {
  turn.state = { ...turn.state, stage: { ...stageOf(turn), ...change } };
}

/** The next number for a round. No number is used twice in a run. */
export function takeRoundId(turn: Turn): RoundId {
  const id = turn.state.nextRound as RoundId;
  turn.state = { ...turn.state, nextRound: id + 1 };
  return id;
}

/** A message without the fields that every message to a welcomed worker has. */
type Addressed = Extract<CoordinatorMessage, { incarnation: Incarnation }>;
type Body<M> = M extends unknown ? Omit<M, 'term' | 'incarnation'> : never;

/** Sends to a member of the roster. Does nothing when the member is gone. */
export function sendTo(turn: Turn, incarnation: Incarnation, body: Body<Addressed>): void {
  const member = turn.state.roster.get(incarnation);
  if (member === undefined) return;
  const message = { ...body, term: turn.state.plan.term, incarnation } as Addressed;
  turn.effects.push({ type: 'send', connection: member.connection, message });
}

/** Reports to the people and programs that watch the run. */
export function report(turn: Turn, what: Report): void {
  turn.effects.push({ type: 'report', report: what });
}

type WithoutTerm<R> = R extends unknown ? Omit<R, 'term'> : never;

/** Adds a line to the journal, under the present term. */
export function journal(turn: Turn, record: WithoutTerm<JournalRecord>): void {
  turn.effects.push({ type: 'journal', record: { ...record, term: turn.state.plan.term } as JournalRecord });
}

/** Adds a line to the log: an event's name `noun.verb`, its level and its fields. */
export function log(
  turn: Turn,
  [level, event]: readonly ['info' | 'warn' | 'error', string],
  fields: Readonly<Record<string, unknown>>,
): void {
  turn.effects.push({ type: 'log', level, event, fields });
}
