/** The faults of the matrix, as data: what is cut, stopped, killed or slowed down, and for how long. */

import { setTimeout as wait } from 'node:timers/promises';
import type { NetworkRun } from './network-run.js';

export type Host = 'coordinator' | 'left' | 'right';
export type Part = 'engine' | 'agent' | 'coordinator';

export type Fault =
  /** `deaf` hears nothing of the other host; both ways when it is 'both'. */
  | { readonly type: 'cut'; readonly between: readonly [Host, Host]; readonly deaf: Host | 'both'; readonly seconds: number }
  | { readonly type: 'stop'; readonly part: Part; readonly seconds: number }
  | { readonly type: 'kill'; readonly part: Part }
  /** The engine runs for a tenth of the time. */
  | { readonly type: 'slow'; readonly seconds: number };

export interface FaultCase {
  readonly fault: Fault;
  readonly replicas: 1 | 2;
  /** Whether the hosts `left` and `right` have a peer each, or a column each. */
  readonly apart: 'peers' | 'columns';
  /** Whether it belongs to the short matrix. */
  readonly isShort: boolean;
}

/** The worker whose process is stopped, killed or slowed down; it is on the host `left`. */
export const VICTIM = 'big-1';

const RUN_MS = 10;
const PAUSE_MS = 90;

/** Spells a case for people. */
export function spellCase({ fault, replicas, apart }: FaultCase): string {
  const size = replicas === 1 ? '' : `, ${replicas} replicas, ${apart} apart`;
  switch (fault.type) {
    case 'cut': {
      const [a, b] = fault.between;
      const how = fault.deaf === 'both' ? 'both ways' : `${fault.deaf} deaf`;
      return `cut ${a} - ${b}, ${how}, ${fault.seconds} s${size}`;
    }
    case 'stop':
      return `stop ${fault.part}, ${fault.seconds} s${size}`;
    case 'kill':
      return `kill ${fault.part}${size}`;
    case 'slow':
      return `ten times slower engine, ${fault.seconds} s${size}`;
  }
}

/** Does it, and heals it. Resolves to the time of the heal; a killed process is not healed, and its time is that of the kill. */
export async function inflict(fault: Fault, run: NetworkRun): Promise<number> {
  switch (fault.type) {
    case 'cut':
      await whileCut(fault, run);
      return Date.now();
    case 'stop':
      await whileStopped(run.pidOf(fault.part, VICTIM), 1000 * fault.seconds);
      return Date.now();
    case 'kill':
      process.kill(run.pidOf(fault.part, VICTIM), 'SIGKILL');
      return Date.now();
    case 'slow': {
      const pid = run.pidOf('engine', VICTIM);
      const untilMs = Date.now() + 1000 * fault.seconds;
      while (Date.now() < untilMs) {
        await whileStopped(pid, PAUSE_MS);
        await wait(RUN_MS);
      }
      return Date.now();
    }
  }
}

async function whileCut({ between: [a, b], deaf, seconds }: Extract<Fault, { type: 'cut' }>, { network }: NetworkRun): Promise<void> {
  const heals = [
    ...(deaf === 'both' || deaf === a ? [network.cut(a, b)] : []),
    ...(deaf === 'both' || deaf === b ? [network.cut(b, a)] : []),
  ];
  await wait(1000 * seconds);
  for (const heal of heals) heal();
}

/** A process that was killed meanwhile, by its own agent for example, is no fault of the test. */
async function whileStopped(pid: number, forMs: number): Promise<void> {
  if (!signal(pid, 'SIGSTOP')) return;
  try {
    await wait(forMs);
  } finally {
    signal(pid, 'SIGCONT');
  }
}

function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}
