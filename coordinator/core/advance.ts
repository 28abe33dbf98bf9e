/**
 * What to do next: called after every event until nothing more follows. Opens and closes stages, starts rounds, asks
 * for checkpoints, goes back to a checkpoint when nobody holds the committed parameters, and ends the run.
 */

import { assert } from '../../src/base/assert.js';
import { countWorkers } from '../../src/config/schema.js';
import { countFailure, finish } from './ending.js';
import { startEvaluation, startExport } from './evaluating.js';
import { committedOf, openLedger, samplesOf } from './ledger.js';
import { type ReadyMember, readyMembers } from './roster.js';
import { askToSave, isSaveDue } from './saving.js';
import { baseOf, evaluationDue, isTraining, openStage, resultOf, type StageState } from './stage.js';
import { askAllToServe, relink, servingTeachers } from './teaching.js';
import { startTraining } from './training.js';
import { journal, log, report, setStage, stageOf, type Turn } from './turn.js';

/** Decides until nothing more follows from the state: call it once after each event. */
export function advance(turn: Turn): void {
  while (decide(turn) === 'again');
}

type Verdict = 'again' | 'wait';

function decide(turn: Turn): Verdict {
  const { phase, stage } = turn.state;
  if (phase.kind === 'ended') return 'wait';
  if (phase.kind === 'stopping') return decideStop(turn, phase.reason);
  if (stage === null) return openNext(turn);
  if (stage.round !== null) return 'wait';
  if (isLost(stage)) return rollBack(turn);
  if (turn.nowMs < stage.pauseUntilMs) return 'wait';
  if (stage.recipe.kind === 'export')
    return stage.exported ? closeStage(turn) : withStudents(turn, ([first]) => first && startExport(turn, first));
  const epoch = evaluationDue(stage);
  if (epoch !== null) return withStudents(turn, (students) => startEvaluation(turn, epoch, students));
  if (!isTraining(stage.recipe)) return closeStage(turn);
  if (stage.ledger.pending.length === 0) return finishTraining(turn);
  if (isSaveDue(turn)) askToSave(turn);
  if (stage.recipe.kind === 'distil' && servingTeachers(turn).length === 0) return waitFor(turn, 'teacher');
  return withStudents(turn, (students) => startTraining(turn, students));
}

/** The stage is trained and evaluated: it is done once its parameters are on disk. */
function finishTraining(turn: Turn): Verdict {
  if (stageOf(turn).base.checkpoint !== null) return closeStage(turn);
  assert(askToSave(turn), 'nobody holds the parameters, and yet they are not lost');
  return 'wait';
}

/** After a stop: the committed parameters go to disk first, if they are not there and somebody has them. */
function decideStop(turn: Turn, reason: string): Verdict {
  const stage = turn.state.stage;
  const isSafe = stage === null || stage.base.round === 0 || stage.base.checkpoint !== null;
  if (!isSafe && (turn.nowMs < stage.pauseUntilMs || askToSave(turn))) return 'wait';
  finish(turn, { outcome: 'stopped', code: 'run.interrupted', message: reason });
  return 'wait';
}

function openNext(turn: Turn): Verdict {
  const { order, done, plan, left } = turn.state;
  const name = order.find((candidate) => !done.some(({ stage }) => stage === candidate));
  if (name === undefined) {
    finish(turn, { outcome: 'done', code: null, message: 'all stages are done' });
    return 'wait';
  }
  const recipe = plan.recipe.stages[name];
  assert(recipe, `stage ${name} is not in the recipe`);
  const from = isTraining(recipe) ? null : (done.find(({ stage }) => stage === recipe.of)?.checkpoint ?? null);
  const stage = openStage({
    name,
    recipe,
    splitSizes: plan.splitSizes,
    checkpoints: left?.checkpoints ?? [],
    commits: left?.stageCommits ?? 0,
    from,
    evaluations: left?.evaluations ?? [],
    nowMs: turn.nowMs,
  });
  turn.state = { ...turn.state, stage, left: null };
  const { size, epochs } = stage.ledger;
  log(turn, ['info', 'stage.started'], { stage: name, kind: recipe.kind, samples: size * epochs, committed: committedOf(stage.ledger) });
  report(turn, { type: 'stage-started', stage: name, kind: recipe.kind, epochs, samples: size * epochs });
  if (left?.isBehind) tellRollback(turn);
  askAllToServe(turn);
  return 'again';
}

function closeStage(turn: Turn): Verdict {
  const result = resultOf(stageOf(turn), turn.nowMs);
  journal(turn, { type: 'stage-done', result });
  log(turn, ['info', 'stage.done'], { stage: result.stage, accuracy: result.last?.accuracy, seconds: result.seconds });
  report(turn, { type: 'stage-done', result });
  turn.state = { ...turn.state, stage: null, done: [...turn.state.done, result] };
  return 'again';
}

/** Nobody alive holds the committed parameters, and they are on no disk. */
function isLost({ base }: StageState): boolean {
  return base.round !== 0 && base.checkpoint === null && base.holders.length === 0;
}

/** Back to the newest whole checkpoint, or to the beginning. A stage that trains nothing has nothing to go back to. */
function rollBack(turn: Turn): Verdict {
  const stage = stageOf(turn);
  if (!isTraining(stage.recipe)) {
    const message = `stage ${stage.name}: the checkpoint of stage ${stage.recipe.of} does not load, and there is no other`;
    finish(turn, { outcome: 'failed', code: 'checkpoint.damaged', message });
    return 'wait';
  }
  const checkpoint = stage.checkpoints.at(-1) ?? null;
  const ledger = openLedger(stage.ledger.size, stage.ledger.epochs, checkpoint?.ranges ?? []);
  setStage(turn, {
    ledger,
    base: baseOf(checkpoint),
    saving: null,
    evaluations: stage.evaluations.filter(({ epoch }) => epoch * ledger.size <= committedOf(ledger)),
    commitsSinceCheckpoint: 0,
    recent: [],
  });
  tellRollback(turn);
  countFailure(turn, 'engine.crashed', 'every student that held the parameters is gone');
  return 'again';
}

/** Commits that the parameters at hand do not contain are undone: the journal says so, for whoever reads it next. */
function tellRollback(turn: Turn): void {
  const { name, base, ledger } = stageOf(turn);
  const committed = committedOf(ledger);
  journal(turn, { type: 'rollback', stage: name, checkpoint: base.checkpoint, committed });
  log(turn, ['warn', 'stage.rollback'], { stage: name, checkpoint: base.checkpoint, committed });
  report(turn, { type: 'rollback', stage: name, checkpoint: base.checkpoint, committed, samples: samplesOf(ledger) });
}

/** Runs `start` with the ready students; waits while there are too few. */
function withStudents(turn: Turn, start: (students: readonly ReadyMember[]) => void): Verdict {
  const students = readyMembers(turn.state.roster, 'student');
  if (students.length === 0) return waitFor(turn, 'student');
  if (isGathering(turn, students.length)) return 'wait';
  setStage(turn, { waitingSinceMs: null });
  relink(turn);
  start(students);
  return 'wait';
}

/** The first stage of a term gives the others a moment, so that all begin together. */
function isGathering(turn: Turn, students: number): boolean {
  const { plan, gatherUntilMs } = turn.state;
  const untilMs = gatherUntilMs ?? turn.nowMs + plan.timing.gatherMs;
  const areAll = students >= countWorkers(plan.recipe.workers.students);
  turn.state = { ...turn.state, gatherUntilMs: areAll ? turn.nowMs : untilMs };
  return !areAll && turn.nowMs < untilMs;
}

function waitFor(turn: Turn, role: 'student' | 'teacher'): Verdict {
  const { waitingSinceMs, name } = stageOf(turn);
  if (waitingSinceMs === null) {
    setStage(turn, { waitingSinceMs: turn.nowMs });
    log(turn, ['info', 'stage.waiting'], { stage: name, for: role });
    report(turn, { type: 'waiting', stage: name, for: role });
  } else if (turn.nowMs >= waitingSinceMs + turn.state.plan.timing.waitMs) {
    const message = `stage ${name} waited for a ${role} for too long. Start one, and resume the run`;
    finish(turn, { outcome: 'failed', code: 'run.interrupted', message });
  }
  return 'wait';
}
