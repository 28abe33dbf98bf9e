/**
 * Decides what to do next: called after every event, until the state asks for nothing more. Opens and closes stages, starts the
 * rounds that the kind of stage asks for, asks for checkpoints, and ends the run.
 */

import { assert } from '../../src/base/assert.js';
import { spellPeer, studentsOf } from '../../src/config/peer.js';
import { countWorkers } from '../../src/config/schema.js';
import { isBestUnsaved, lostBest } from './best.js';
import { finish, finishStop, stopSafely } from './ending.js';
import { kindOf } from './kinds/catalogue.js';
import type { Next } from './kinds/stage-kind.js';
import { concludeRound } from './lead-round.js';
import { committedOf } from './ledger.js';
import { tellRollback } from './rollback.js';
import { readyMembers } from './roster.js';
import { askToSave, isSaveDue } from './saving.js';
import { isLost, isSafe, openStage, resultOf } from './stage.js';
import { adviceOnTeacher, askAllToServe, doubtOfTeacher, relink, servingTeachers } from './teaching.js';
import { journal, log, report, type Stopping, setStage, stageOf, type Turn } from './turn.js';

/** Decides until the state asks for nothing more. Must be called once after each event. */
export function advance(turn: Turn): void {
  while (decide(turn) === 'again');
}

type Verdict = 'again' | 'wait';

function decide(turn: Turn): Verdict {
  const { phase, stage } = turn.state;
  switch (phase.type) {
    case 'ended':
      return 'wait';
    case 'stopping':
      return decideStop(turn, phase);
    case 'running':
      return stage === null ? openNext(turn) : decideStage(turn);
  }
}

function decideStage(turn: Turn): Verdict {
  const stage = stageOf(turn);
  const kind = kindOf(stage.recipe);
  if (stage.round !== null) return 'wait';
  if (isLost(stage.base)) {
    kind.onBaseLost(turn);
    return 'again';
  }
  if (turn.nowMs < stage.pauseUntilMs) return 'wait';
  const next = kind.next(stage);
  return next.type === 'done' ? finishStage(turn) : begin(turn, next);
}

/** Finishes a stage that has done its work: it is over once its parameters are on disk. */
function finishStage(turn: Turn): Verdict {
  if (isSafe(stageOf(turn).base)) return closeStage(turn);
  assert(askToSave(turn), 'nobody holds the parameters, and yet they are not lost');
  return 'wait';
}

/** After a stop or a failure: saves the committed parameters first, if they are not on disk and a member holds them. */
function decideStop(turn: Turn, phase: Stopping): Verdict {
  const { stage } = turn.state;
  if (stage?.round) {
    if (phase.isConcluding) return 'wait';
    turn.state = { ...turn.state, phase: { ...phase, isConcluding: true } };
    concludeRound(turn, { member: null, reason: phase.reason });
    return 'again';
  }
  const isOver = stage === null || isSafe(stage.base);
  if (!isOver && (turn.nowMs < stage.pauseUntilMs || askToSave(turn))) return 'wait';
  finishStop(turn, phase);
  return 'wait';
}

function openNext(turn: Turn): Verdict {
  const { order, done, plan } = turn.state;
  const open = order.filter((candidate) => !done.some(({ stage }) => stage === candidate));
  // A stage that has begun goes on first: a recipe may have got stages before it.
  const name = open.find((candidate) => candidate === turn.state.left?.stage) ?? open[0];
  const left = turn.state.left?.stage === name ? turn.state.left : null;
  if (name === undefined) {
    finish(turn, { outcome: 'done', code: null, message: 'all stages are done' });
    return 'wait';
  }
  const recipe = plan.recipe.stages[name];
  const given = plan.given[name];
  assert(recipe, `stage ${name} is not in the recipe`);
  // A stage that has a checkpoint was begun in spite of it.
  const doubt = (left?.checkpoints.length ?? 0) > 0 ? null : doubtOfTeacher(turn.state, kindOf(recipe).needs.teacher);
  if (doubt !== null && !plan.isForced) {
    const mend = adviceOnTeacher(plan.recipe, kindOf(recipe).needs.teacher);
    finish(turn, { outcome: 'failed', code: 'teacher.atChance', message: `stage ${name} is not begun: ${doubt}. ${mend}` });
    return 'wait';
  }
  const stage = openStage({
    name,
    recipe,
    needs: kindOf(recipe).needs,
    splitSizes: plan.splitSizes,
    checkpoints: given === undefined ? (left?.checkpoints ?? []) : [given],
    commits: left?.stageCommits ?? 0,
    lockstep: left?.lockstep ?? {},
    losses: left?.losses ?? {},
    done,
    evaluations: left?.evaluations ?? [],
    skipped: left?.skipped ?? [],
    nowMs: turn.nowMs,
  });
  turn.state = { ...turn.state, stage, left: null };
  const { size, epochs } = stage.ledger;
  log(turn, ['info', 'stage.started'], { stage: name, kind: recipe.kind, samples: size * epochs, committed: committedOf(stage.ledger) });
  report(turn, { type: 'stage-started', stage: name, kind: recipe.kind, epochs, samples: size * epochs });
  if (doubt !== null) {
    log(turn, ['warn', 'teacher.atChance'], { stage: name, doubt });
    report(turn, { type: 'warning', stage: name, message: doubt });
  }
  if (left?.isBehind) tellRollback(turn);
  if (left !== null) tellLostBest(turn);
  askAllToServe(turn);
  return 'again';
}

function closeStage(turn: Turn): Verdict {
  tellLostBest(turn);
  const result = resultOf(stageOf(turn), turn.nowMs);
  journal(turn, { type: 'stage-done', result });
  const accuracy = Object.fromEntries(result.tests.map(({ last }) => [last.peer, last.accuracy]));
  log(turn, ['info', 'stage.done'], { stage: result.stage, accuracy, seconds: result.seconds });
  report(turn, { type: 'stage-done', result });
  turn.state = { ...turn.state, stage: null, done: [...turn.state.done, result] };
  return 'again';
}

/** Says which best epochs no checkpoint holds: it is damaged, or could not be stored. */
function tellLostBest(turn: Turn): void {
  const stage = stageOf(turn);
  if (stage.needs.of !== null) return;
  for (const { lost, kept } of lostBest(stage)) {
    const { peer, epoch, accuracy } = lost;
    const what = { stage: stage.name, peer, epoch, accuracy, kept: kept === null ? null : { epoch: kept.epoch, accuracy: kept.accuracy } };
    log(turn, ['warn', 'best.lost'], what);
    report(turn, { type: 'best-lost', ...what });
  }
}

/** Begins a round, after asking for a checkpoint where one is due; waits while a worker is missing. */
function begin(turn: Turn, next: Extract<Next, { type: 'round' }>): Verdict {
  if (next.isTraining && saveBefore(turn) === 'wait') return 'wait';
  if (next.isTaught && servingTeachers(turn).length === 0) return waitForTeacher(turn);
  const students = readyMembers(turn.state.roster, 'student');
  const missing = next.missing(students).map(spellPeer);
  if (missing.length > 0) return waitFor(turn, 'student', missing);
  if (isGathering(turn, students.length)) return 'wait';
  setStage(turn, { waiting: null });
  relink(turn);
  next.start(turn, students);
  return 'wait';
}

/**
 * Asks for a checkpoint of the base where one is due before the next round of training: the round moves the base on. The best epoch waits
 * for a checkpoint that is on its way, so that it gets its own.
 */
function saveBefore(turn: Turn): Verdict {
  const stage = stageOf(turn);
  const isBest = isBestUnsaved(stage);
  if (isBest && stage.saving !== null && stage.saving.round !== stage.base.round) return 'wait';
  if (isBest || isSaveDue(turn)) askToSave(turn);
  return 'again';
}

/** Whether the first stage of a term still waits for other students, so that all begin together. */
function isGathering(turn: Turn, students: number): boolean {
  const { plan, gatherUntilMs } = turn.state;
  const untilMs = gatherUntilMs ?? turn.nowMs + plan.timing.gatherMs;
  const areAll = students >= countWorkers(studentsOf(plan.recipe));
  turn.state = { ...turn.state, gatherUntilMs: areAll ? turn.nowMs : untilMs };
  return !areAll && turn.nowMs < untilMs;
}

/** A teacher that is there loads its model, and has a deadline for that: the stage lacks nobody. */
function waitForTeacher(turn: Turn): Verdict {
  if (readyMembers(turn.state.roster, 'teacher').length === 0) return waitFor(turn, 'teacher', []);
  setStage(turn, { waiting: null });
  return 'wait';
}

function waitFor(turn: Turn, role: 'student' | 'teacher', missing: readonly string[]): Verdict {
  const { waiting, name } = stageOf(turn);
  const sinceMs = waiting?.sinceMs ?? turn.nowMs;
  if (waiting === null || waiting.missing.join() !== missing.join()) {
    setStage(turn, { waiting: { sinceMs, missing } });
    log(turn, ['info', 'stage.waiting'], { stage: name, for: role, missing });
    report(turn, { type: 'waiting', stage: name, for: role, missing });
  } else if (turn.nowMs >= sinceMs + turn.state.plan.timing.waitMs) {
    const reason = `stage ${name} waited for a ${role} for too long. Start one, and resume the run`;
    stopSafely(turn, { reason, failure: 'run.interrupted' });
    return 'again';
  }
  return 'wait';
}
