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
  /** Only to a side that has said its endpoint: the other side, with which it runs from now on, listens there. */
  | { readonly do: 'meet'; readonly endpoint: string }
  /** One step, by what it spends its time on. */
  | { readonly do: 'profile' };

export interface RunAnswer {
  /** By the clock. */
  readonly seconds: number;
  /** Of all threads of the process. */
  readonly processorSeconds: number;
  /** Absent from a side that is one process. */
  readonly exchange?: Exchange;
}

/** The traffic between a side's own processes in a run. */
export interface Exchange {
  /** Sent and received; each byte counts once. The frames of the messages, without what ZeroMQ and TCP put around them. */
  readonly bytes: number;
  /** The predictions alone, in float32, once for each process that takes them. */
  readonly rawBytes: number;
  /** The time that the processes waited for each other: their mean. */
  readonly waitedSeconds: number;
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
  readonly meet: object;
  readonly profile: ProfileAnswer;
}

export type Hello = Ready | { readonly unusable: string };

interface Ready {
  /** The full name. */
  readonly ready: string;
  /** The address where it listens for another side, if it works with one. */
  readonly endpoint?: string;
  /** Sentences about it that people should know. */
  readonly notes?: readonly string[];
  readonly knowledge?: KnowledgeBytes;
}

/** The knowledge that a step takes from its teacher, in bytes of float32. */
export interface KnowledgeBytes {
  readonly bytes: number;
  /** As the method's tensors are reckoned by hand. */
  readonly reckoned: number;
}

/** Thrown by a side that cannot work here, before it is ready: the message becomes the row's reason. */
export class Unusable extends Error {}
