/** A side's own end, for sides in Node: answers the orders that come on the standard input (protocol.ts). */

import { createInterface } from 'node:readline';
import { type Exchange, type KnowledgeBytes, type Order, type ProfileEntry, type RunAnswer, Unusable } from './protocol.js';
import type { GateAnswer } from './row.js';

interface SideService {
  /** What runs, with its version: "Stillhouse tensorflow, traced". */
  readonly name: string;
  /** The address where it listens for the other side that it works with. */
  readonly endpoint?: string;
  /** Sentences about it that people should know. */
  readonly notes?: readonly string[];
  readonly knowledge?: KnowledgeBytes;
  /** From the row's initial state. */
  gate(): GateAnswer | Promise<GateAnswer>;
  profile?(): readonly ProfileEntry[] | Promise<readonly ProfileEntry[]>;
  /** The other side listens at `endpoint`. */
  meet?(endpoint: string): void;
  /** Called when the input has ended. */
  close?(): Promise<void>;
}

/** A side with steps of its own. */
export interface StepwiseProgram extends SideService {
  /** What a run repeats and times. Each call is a whole step: what it starts has ended when it returns. */
  step(): void | Promise<void>;
}

/** A side that makes all steps of a run with other processes. */
export interface JointProgram extends SideService {
  /** Makes so many steps, which are timed as a whole. Answers the traffic between the processes; null where there is none. */
  run(steps: number): Promise<Exchange | null>;
}

export type SideProgram = StepwiseProgram | JointProgram;

/** Opens the program, says so, and serves it until the input ends. An Unusable that `open` throws is told as such. */
export async function serveSide(open: () => Promise<SideProgram>): Promise<void> {
  const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
  let program: SideProgram;
  try {
    program = await open();
  } catch (error) {
    if (!(error instanceof Unusable)) throw error;
    say({ unusable: error.message });
    return;
  }
  say({ ready: program.name, endpoint: program.endpoint, notes: program.notes, knowledge: program.knowledge });
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      say(await carryOut(program, JSON.parse(line) as Order));
    } catch (error) {
      say({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  }
  await program.close?.();
}

async function carryOut(program: SideProgram, order: Order): Promise<object> {
  switch (order.do) {
    case 'gate':
      return program.gate();
    case 'run':
      return run(program, order.steps);
    case 'meet':
      program.meet?.(order.endpoint);
      return {};
    case 'profile':
      return { profile: (await program.profile?.()) ?? [] };
  }
}

async function run(program: SideProgram, steps: number): Promise<RunAnswer> {
  const processor = process.cpuUsage();
  const start = performance.now();
  const exchange = 'run' in program ? await program.run(steps) : await repeat(program, steps);
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(processor);
  return { seconds, processorSeconds: (user + system) / 1e6, ...(exchange === null ? {} : { exchange }) };
}

async function repeat(program: StepwiseProgram, steps: number): Promise<null> {
  for (let i = 0; i < steps; i++) await program.step();
  return null;
}
