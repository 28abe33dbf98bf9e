/**
 * The lines between the bench and a side, JSON objects on its standard input and output, one order at a time. A line of
 * output that is none of these is the side's own chatter and is left aside. A side ends when its input does.
 *
 * After its start a side says `ready` with its full name, or `unusable` with the reason. An order that fails is answered
 * with `error`.
 */

import type { GateAnswer } from './row.js';

export type Order =
  /** From the row's initial state, whatever ran before. */
  | { readonly do: 'gate' }
  | { readonly do: 'run'; readonly steps: number }
  /** One step, by what it spends its time on. */
  | { readonly do: 'profile' };

export interface RunAnswer {
  /** By the clock. */
  readonly seconds: number;
  /** Of all threads of the process. */
  readonly processorSeconds: number;
}

/** Milliseconds; `own` without the entries it calls. */
export interface ProfileEntry {
  readonly name: string;
  readonly calls: number;
  readonly total: number;
  readonly own: number;
}

export interface ProfileAnswer {
  /** Those that take longest first. */
  readonly profile: readonly ProfileEntry[];
}

export interface AnswerTo {
  readonly gate: GateAnswer;
  readonly run: RunAnswer;
  readonly profile: ProfileAnswer;
}

export type Hello = { readonly ready: string } | { readonly unusable: string };

/** Thrown by a side that cannot work here, before it is ready: the message becomes the row's reason. */
export class Unusable extends Error {}
