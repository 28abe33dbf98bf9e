/** Tells teachers which model to serve, and links them to students. Each message has all links of a student, and a version that only rises. */

import { assert, present } from '../../src/base/assert.js';
import type { Incarnation } from '../../src/base/ids.js';
import { formatShare } from '../../src/base/share.js';
import { modelLabel, type PeerName, spellPeer } from '../../src/config/peer.js';
import { planLinks } from './links.js';
import { measuredRate, type ReadyMember, readyMembers, withMember } from './roster.js';
import { type RunState, sendTo, setStage, stageOf, type Turn } from './turn.js';

/**
 * Says in words that the model that is to teach a stage was no better than guessing when it was last tested. Null when it was, and
 * where nobody can tell.
 */
export function doubtOfTeacher({ plan, done }: Pick<RunState, 'plan' | 'done'>, teacher: PeerName | null): string | null {
  const recipe = teacher === null ? undefined : plan.recipe.stages[teacher.stage];
  if (teacher === null || recipe === undefined || !('test' in recipe)) return null;
  const tests = done.find(({ stage }) => stage === teacher.stage)?.tests ?? [];
  const accuracy = tests.find(({ last }) => last.peer === teacher.peer)?.last.accuracy;
  const guess = plan.guesses[recipe.test];
  if (accuracy === undefined || guess === undefined || accuracy > guess.most) return null;
  const right = `${formatShare(accuracy)} right on ${recipe.test}; ${formatShare(guess.share)} come from always saying the most frequent class`;
  // A model from outside has no stage that the user knows.
  const name = 'from' in recipe ? `, the model ${modelLabel(plan.recipe, teacher)},` : ` ${spellPeer(teacher)}`;
  return `its teacher${name} is no better than guessing (${right})`;
}

/** The advice where a model that is no better than guessing was to teach. */
export function adviceOnTeacher({ stages }: RunState['plan']['recipe'], teacher: PeerName | null): string {
  const recipe = teacher === null ? undefined : stages[teacher.stage];
  const mend = recipe !== undefined && 'from' in recipe ? 'Give another model' : 'Mend that stage';
  return `${mend} and begin a new run; or go on all the same with --force`;
}

/** The teachers that answer for the stage under way. */
export function servingTeachers(turn: Turn): ReadyMember[] {
  const { name } = stageOf(turn);
  return readyMembers(turn.state.roster, 'teacher').filter(({ serving }) => serving === name);
}

/** Tells a teacher which model to load for the stage under way, if that stage is taught. */
export function askToServe(turn: Turn, teacher: Incarnation): void {
  const stage = turn.state.stage;
  if (!stage?.taughtBy) return;
  const { state, hash } = stage.taughtBy;
  const member = present(turn.state.roster.get(teacher), 'a teacher');
  const dueMs = turn.nowMs + turn.state.plan.timing.startMs;
  turn.state = { ...turn.state, roster: withMember(turn.state.roster, { ...member, dueMs }) };
  sendTo(turn, teacher, { type: 'coordinator.serve', stage: stage.name, from: state, hash });
}

/** Tells every ready teacher which model the stage under way needs. */
export function askAllToServe(turn: Turn): void {
  for (const { incarnation } of readyMembers(turn.state.roster, 'teacher')) askToServe(turn, incarnation);
}

/** A teacher has loaded the model, and can be linked. */
export function onServing(turn: Turn, incarnation: Incarnation, stage: string): void {
  const member = turn.state.roster.get(incarnation);
  assert(member, 'a serving teacher that is not in the roster');
  turn.state = { ...turn.state, roster: withMember(turn.state.roster, { ...member, serving: stage, dueMs: null }) };
  relink(turn);
}

/** Plans the links anew and sends them to each student whose teachers have changed. */
export function relink(turn: Turn): void {
  const stage = turn.state.stage;
  if (!stage?.taughtBy) return;
  const students = readyMembers(turn.state.roster, 'student').map(({ incarnation }) => incarnation);
  const teachers = servingTeachers(turn);
  const capacities = teachers.map(({ incarnation, counters }) => ({ incarnation, rate: measuredRate(counters) }));
  const links = planLinks(students, capacities);
  const changed = students.filter((student) => !sameList(links.get(student) ?? [], stage.links.get(student)));
  const version = stage.linkVersion + (changed.length > 0 ? 1 : 0);
  setStage(turn, { links, linkVersion: version });
  for (const student of changed) {
    const linked = teachers.filter(({ incarnation }) => links.get(student)?.includes(incarnation));
    const addresses = linked.map(({ incarnation, engine }) => ({ incarnation, endpoint: engine.endpoint }));
    sendTo(turn, student, { type: 'coordinator.link', stage: stage.name, version, teachers: addresses });
  }
}

function sameList(a: readonly Incarnation[], b: readonly Incarnation[] | undefined): boolean {
  return b !== undefined && a.length === b.length && a.every((item, index) => item === b[index]);
}
