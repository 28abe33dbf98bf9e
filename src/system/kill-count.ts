/** How many processes the kernel has killed because memory ran out: in this process's control group, and on the machine. */

import { readFileSync } from 'node:fs';

/** The counters that can be read, always in the same order. One that has risen while a process ended by SIGKILL says why it was killed. */
export function memoryKills(): readonly number[] {
  const files = [...groupFiles(read('/proc/self/cgroup')), '/proc/vmstat'];
  return files.flatMap((file) => killsIn(read(file)) ?? []);
}

/** Whether one of the counters has risen. */
export function haveRisen(before: readonly number[], after: readonly number[]): boolean {
  return before.length === after.length && after.some((count, i) => count > (before[i] ?? count));
}

/** The files with the counter of a process's control group, from the text of /proc/PID/cgroup: of version 2 and of version 1. */
export function groupFiles(groups: string): readonly string[] {
  return groups.split('\n').flatMap((line) => {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    const folder = path === '/' ? '' : path;
    if (line.startsWith('0::')) return [`/sys/fs/cgroup${folder}/memory.events`];
    return controllers.split(',').includes('memory') ? [`/sys/fs/cgroup/memory${folder}/memory.oom_control`] : [];
  });
}

/** The counter `oom_kill` in the text of such a file; null when it has none. */
export function killsIn(text: string): number | null {
  const count = /^oom_kill (\d+)$/m.exec(text)?.[1];
  return count === undefined ? null : Number(count);
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
