/**
 * The members of the run. A member is one incarnation of a worker: one life of its engine.
 *
 * Invariants: an incarnation is issued once in a term; a worker name has at most one member; a member is alive exactly
 * while it is in the roster.
 */

import type { Incarnation } from '../../src/base/ids.js';
import type { WorkerMessageOf } from '../../src/protocol/control.js';

/** Totals of one incarnation, as its last renewal gave them. */
export interface Counters {
  readonly progress: number;
  readonly images: number;
  readonly busyMs: number;
  readonly controlBytes: number;
  readonly dataBytes: number;
}

export const NO_COUNTERS: Counters = { progress: 0, images: 0, busyMs: 0, controlBytes: 0, dataBytes: 0 };

export interface Member {
  readonly incarnation: Incarnation;
  readonly worker: string;
  readonly role: 'teacher' | 'student';
  /** The peer that it was started for, in stages that have one of this name; null for any. */
  readonly peer: string | null;
  readonly host: string;
  readonly pid: number;
  /** The connection of its last message, which gets the answers. */
  readonly connection: string;
  /** The time of its last message. */
  readonly heardMs: number;
  /** Null until the engine is up. */
  readonly engine: { readonly name: string; readonly endpoint: string } | null;
  /** For a teacher: the stage that it answers for, once it has loaded its model. */
  readonly serving: string | null;
  /** The deadline for its engine to be up, or its model to be loaded; null when neither is awaited. */
  readonly dueMs: number | null;
  readonly counters: Counters;
  /** The number of rounds in a row in which another student got no answer from it. */
  readonly unreachable: number;
  /** It asked to leave: it gets no more work, and is released as soon as nothing depends on it. */
  readonly isLeaving: boolean;
}

export type ReadyMember = Member & { readonly engine: NonNullable<Member['engine']> };
export type Roster = ReadonlyMap<Incarnation, Member>;

/** Whether the engine is up. */
export function isReady(member: Member): member is ReadyMember {
  return member.engine !== null;
}

/** The members of a role that can be given work, in the order of their incarnations. */
export function readyMembers(roster: Roster, role: Member['role']): ReadyMember[] {
  return [...roster.values()].filter(isReady).filter((member) => member.role === role && !member.isLeaving);
}

/** The roster with this member, new or changed. */
export function withMember(roster: Roster, member: Member): Roster {
  return new Map(roster).set(member.incarnation, member);
}

/** The roster without this member; the same members when it is not in the roster. */
export function withoutMember(roster: Roster, incarnation: Incarnation): Roster {
  const next = new Map(roster);
  next.delete(incarnation);
  return next;
}

export type HelloVerdict =
  /** No member has the name. */
  | { readonly kind: 'new' }
  /** The same life sent a hello before and has not received its welcome. */
  | { readonly kind: 'again'; readonly member: Member }
  /** An earlier life that has fallen silent. */
  | { readonly kind: 'replaces'; readonly member: Member }
  | { readonly kind: 'taken'; readonly member: Member };

/** Judges a hello. A name is free again as soon as its last holder has missed two renewals. */
export function judgeHello(
  roster: Roster,
  hello: WorkerMessageOf<'worker.hello'>,
  options: { readonly connection: string; readonly nowMs: number; readonly renewEveryMs: number },
): HelloVerdict {
  const member = [...roster.values()].find(({ worker }) => worker === hello.worker);
  if (member === undefined) return { kind: 'new' };
  if (member.connection === options.connection && member.pid === hello.pid) {
    return member.engine === null ? { kind: 'again', member } : { kind: 'replaces', member };
  }
  const silentMs = options.nowMs - member.heardMs;
  return silentMs > 2 * options.renewEveryMs ? { kind: 'replaces', member } : { kind: 'taken', member };
}

/** The time at which the member is to be expelled: the end of its lease, or of its deadline. */
export function expiryMs({ heardMs, dueMs }: Member, leaseMs: number): number {
  return Math.min(heardMs + leaseMs, dueMs ?? Number.POSITIVE_INFINITY);
}

/** Images per second of busy time; null before anything was measured. */
export function measuredRate({ images, busyMs }: Counters): number | null {
  return images > 0 && busyMs > 0 ? (1000 * images) / busyMs : null;
}
