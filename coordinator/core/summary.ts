/** The numbers of summary.json, from the stages' results and the members' counters. */

import { modelKey, spellPeer } from '../../src/config/peer.js';
import { totalOf } from '../../src/data/shard-plan.js';
import type { StageResult, Summary } from '../../src/protocol/report.js';
import { committedOf } from './ledger.js';
import { type Counters, measuredRate, NO_COUNTERS } from './roster.js';
import type { RunState, Totals } from './turn.js';

const FLOAT32_BYTES = 4;

export const NO_TOTALS: Totals = { perRole: { teacher: NO_COUNTERS, student: NO_COUNTERS }, engines: [], restarts: 0 };

/** The totals of two incarnations together. */
export function addCounters(a: Counters, b: Counters): Counters {
  return {
    progress: a.progress + b.progress,
    images: a.images + b.images,
    busyMs: a.busyMs + b.busyMs,
    controlBytes: a.controlBytes + b.controlBytes,
    dataBytes: a.dataBytes + b.dataBytes,
  };
}

/** The summary up to now; report.ts says which numbers are of the whole run, and which of this term. */
export function summarise(state: RunState): Summary {
  const perRole = { ...state.totals.perRole };
  for (const { role, counters } of state.roster.values()) perRole[role] = addCounters(perRole[role], counters);
  const engines = [...state.roster.values()].flatMap(({ engine }) => (engine === null ? [] : [engine.name]));
  return {
    engine: [...new Set([...state.totals.engines, ...engines])].sort().join(', '),
    accuracy: ofTests(state.done, ({ last, best }) => ({ last: last.accuracy, best: best.accuracy, epoch: best.epoch })),
    testLoss: ofTests(state.done, ({ last }) => last.loss),
    agreement: agreementOf(state.done),
    waited: ofEachPeer(state.done, ({ waited }) => waited),
    late: ofEachPeer(state.done, ({ late }) => late),
    trainingLoss: ofEachPeer(state.done, ({ losses }) => losses),
    skipped: skippedOf(state),
    models: modelsOf(state),
    imagesPerSecond: { teacher: rateOf(perRole.teacher), student: rateOf(perRole.student) },
    wireBytes: {
      control: perRole.teacher.controlBytes + perRole.student.controlBytes,
      data: perRole.teacher.dataBytes + perRole.student.dataBytes,
    },
    commits: state.commits,
    samplesCommitted: state.done.reduce((sum, { samples }) => sum + samples, state.stage === null ? 0 : committedOf(state.stage.ledger)),
    restarts: state.totals.restarts,
  };
}

function rateOf(counters: Counters): number {
  return Math.round((measuredRate(counters) ?? 0) * 10) / 10;
}

/** A figure of each test, by the stage, or by the model's name where the stage tests several. */
function ofTests<T>(done: readonly StageResult[], figureOf: (test: StageResult['tests'][number]) => T): Readonly<Record<string, T>> {
  const entries = done.flatMap(({ stage, tests }) =>
    tests.map((test) => [tests.length === 1 ? stage : spellPeer({ stage, peer: test.last.peer }), figureOf(test)] as const),
  );
  return Object.fromEntries(entries);
}

function agreementOf(done: readonly StageResult[]): Summary['agreement'] {
  const entries = done.flatMap(({ stage, tests }) =>
    tests.map(({ last }) => [spellPeer({ stage, peer: last.peer }), last.agreement] as const),
  );
  return Object.fromEntries(entries.filter(([, agreement]) => Object.keys(agreement).length > 0));
}

/** The samples that each stage has skipped, also the one under way; without stages that have skipped none. */
function skippedOf({ done, stage }: Pick<RunState, 'done' | 'stage'>): Summary['skipped'] {
  const all = done.map(({ stage: name, skipped }) => [name, skipped] as const);
  if (stage !== null) all.push([stage.name, totalOf(stage.ledger.skipped)]);
  return Object.fromEntries(all.filter(([, skipped]) => skipped > 0));
}

/** A number of each peer of the stages that have several, by the peer's name. */
function ofEachPeer(
  done: readonly StageResult[],
  numbersOf: (result: StageResult) => Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    done.flatMap((result) =>
      Object.entries(numbersOf(result)).map(([peer, value]) => [spellPeer({ stage: result.stage, peer }), value] as const),
    ),
  );
}

/** Each model by its key, as its latest evaluation measured it. */
function modelsOf({ done, plan }: RunState): Summary['models'] {
  const models: Record<string, Summary['models'][string]> = {};
  for (const { stage, tests } of done) {
    for (const { last } of tests) {
      // Any other stage tests the model of one of these.
      const own = plan.recipe.stages[stage];
      if (own === undefined || 'of' in own) continue;
      const { parameters, millisecondsPerImage } = last;
      models[modelKey(plan.recipe, { stage, peer: last.peer })] = { parameters, bytes: parameters * FLOAT32_BYTES, millisecondsPerImage };
    }
  }
  return models;
}
