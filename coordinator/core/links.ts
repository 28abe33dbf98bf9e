/**
 * Plans which teachers serve which student. Balanced by measured images per second, so that each student gets about the same
 * teaching capacity; a teacher without a measurement counts as the mean of the others.
 *
 * Invariants: with at least one teacher, every student has one; with at least as many students as teachers, no teacher
 * is idle; the plan depends only on its arguments.
 */

import { present } from '../../src/base/assert.js';
import type { Incarnation } from '../../src/base/ids.js';

export interface TeacherCapacity {
  readonly incarnation: Incarnation;
  /** Images per second; null when not measured yet. */
  readonly rate: number | null;
}

/** The teachers of each student, in the order of their incarnations. */
export function planLinks(students: readonly Incarnation[], teachers: readonly TeacherCapacity[]): Map<Incarnation, Incarnation[]> {
  const links = new Map<Incarnation, Incarnation[]>(students.map((student) => [student, []]));
  if (students.length === 0 || teachers.length === 0) return links;
  const rates = withMeans(teachers);
  if (teachers.length >= students.length) shareOut(rates, links);
  else joinUp(rates, links);
  for (const list of links.values()) list.sort((a, b) => a - b);
  return links;
}

/** Gives each teacher, the fastest first, to the student with the least capacity so far. */
function shareOut(teachers: readonly RatedTeacher[], links: Map<Incarnation, Incarnation[]>): void {
  const capacity = new Map([...links.keys()].map((student) => [student, 0]));
  for (const teacher of teachers) {
    const poorest = least(capacity);
    present(links.get(poorest), 'the links of a student').push(teacher.incarnation);
    capacity.set(poorest, present(capacity.get(poorest), 'its capacity') + teacher.rate);
  }
}

/** Gives each student the teacher that has the most capacity left per student. */
function joinUp(teachers: readonly RatedTeacher[], links: Map<Incarnation, Incarnation[]>): void {
  const load = new Map(teachers.map(({ incarnation }) => [incarnation, 0]));
  for (const list of links.values()) {
    const cost = new Map(teachers.map(({ incarnation, rate }) => [incarnation, (present(load.get(incarnation), 'a load') + 1) / rate]));
    const best = least(cost);
    list.push(best);
    load.set(best, present(load.get(best), 'a load') + 1);
  }
}

interface RatedTeacher {
  readonly incarnation: Incarnation;
  readonly rate: number;
}

function withMeans(teachers: readonly TeacherCapacity[]): RatedTeacher[] {
  const known = teachers.flatMap(({ rate }) => (rate === null ? [] : [rate]));
  const mean = known.length === 0 ? 1 : known.reduce((sum, rate) => sum + rate, 0) / known.length;
  return teachers
    .map(({ incarnation, rate }) => ({ incarnation, rate: rate ?? mean }))
    .sort((a, b) => b.rate - a.rate || a.incarnation - b.incarnation);
}

/** The key with the smallest value; the first of equals. */
function least(values: ReadonlyMap<Incarnation, number>): Incarnation {
  return [...values].reduce((best, entry) => (entry[1] < best[1] ? entry : best))[0];
}
