/** A side's own end, for sides in Node: answers the orders that come on the standard input (protocol.ts). */

import { createInterface } from 'node:readline';
import { type Order, type ProfileEntry, Unusable } from './protocol.js';
import type { GateAnswer } from './row.js';

export interface SideProgram {
  /** What runs, with its version: "Stillhouse tensorflow, traced". */
  readonly name: string;
  /** From the row's initial state. */
  gate(): GateAnswer | Promise<GateAnswer>;
  /** What a run repeats and times. Each call is a whole step: what it starts has ended when it returns. */
  step(): void | Promise<void>;
  profile?(): readonly ProfileEntry[];
}

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
  say({ ready: program.name });
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      say(await carryOut(program, JSON.parse(line) as Order));
    } catch (error) {
      say({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  }
}

async function carryOut(program: SideProgram, order: Order): Promise<object> {
  switch (order.do) {
    case 'gate':
      return program.gate();
    case 'run':
      return run(program, order.steps);
    case 'profile':
      return { profile: program.profile?.() ?? [] };
  }
}

async function run(program: SideProgram, steps: number): Promise<object> {
  const processor = process.cpuUsage();
  const start = performance.now();
  for (let i = 0; i < steps; i++) await program.step();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(processor);
  return { seconds, processorSeconds: (user + system) / 1e6 };
}
