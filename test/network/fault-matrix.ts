/** The cases of the fault matrix. A new case is a line here. */

import type { Fault, FaultCase, Host } from './fault.js';

const SECONDS = [3, 15, 60] as const;

function oneReplica(fault: Fault): FaultCase {
  const seconds = 'seconds' in fault ? fault.seconds : 0;
  return { fault, replicas: 1, apart: 'peers', isShort: seconds <= 5 && !(fault.type === 'cut' && fault.deaf === 'right') };
}

function twoReplicas(fault: Fault, apart: FaultCase['apart'], { isShort = false } = {}): FaultCase {
  return { fault, replicas: 2, apart, isShort };
}

const betweenStudents = ['left', 'right'] as const;
const toCoordinator = ['coordinator', 'left'] as const;

function cut(between: readonly [Host, Host], deaf: Host | 'both', seconds: number): Fault {
  return { type: 'cut', between, deaf, seconds };
}

/** All cases, the short ones first. */
export const FAULT_CASES: readonly FaultCase[] = [
  ...SECONDS.flatMap((seconds) => [
    ...(['both', 'left', 'right'] as const).map((deaf) => oneReplica(cut(betweenStudents, deaf, seconds))),
    oneReplica(cut(toCoordinator, 'both', seconds)),
    ...(['engine', 'agent', 'coordinator'] as const).map((part) => oneReplica({ type: 'stop', part, seconds })),
  ]),
  ...(['engine', 'agent', 'coordinator'] as const).map((part) => oneReplica({ type: 'kill', part })),
  oneReplica({ type: 'slow', seconds: 5 }),
  oneReplica({ type: 'slow', seconds: 30 }),
  twoReplicas(cut(betweenStudents, 'both', 3), 'columns', { isShort: true }),
  twoReplicas(cut(betweenStudents, 'both', 15), 'columns'),
  twoReplicas(cut(betweenStudents, 'both', 60), 'columns'),
  twoReplicas(cut(betweenStudents, 'both', 15), 'peers'),
  twoReplicas(cut(betweenStudents, 'both', 60), 'peers'),
  twoReplicas(cut(betweenStudents, 'left', 15), 'columns'),
  twoReplicas(cut(toCoordinator, 'both', 15), 'columns'),
  twoReplicas({ type: 'stop', part: 'engine', seconds: 15 }, 'columns'),
  twoReplicas({ type: 'stop', part: 'engine', seconds: 60 }, 'columns'),
  twoReplicas({ type: 'stop', part: 'coordinator', seconds: 15 }, 'columns'),
  twoReplicas({ type: 'kill', part: 'agent' }, 'columns'),
  twoReplicas({ type: 'kill', part: 'coordinator' }, 'columns'),
].sort((a, b) => Number(b.isShort) - Number(a.isShort));
