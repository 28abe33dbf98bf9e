import { expect, test } from 'vitest';
import { groupFiles, haveRisen, killsIn, memoryKills } from '../../../src/system/kill-count.js';

test.each([
  ['0::/\n', ['/sys/fs/cgroup/memory.events']],
  ['0::/user.slice/run.scope\n', ['/sys/fs/cgroup/user.slice/run.scope/memory.events']],
  ['5:devices:/\n4:memory:/job/7\n0::/\n', ['/sys/fs/cgroup/memory/job/7/memory.oom_control', '/sys/fs/cgroup/memory.events']],
  ['', []],
])('the group of %j', (text, files) => {
  expect(groupFiles(text)).toEqual(files);
});

test.each([
  ['low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n', 2],
  ['oom_kill_disable 0\nunder_oom 0\noom_kill 7\n', 7],
  ['nr_free_pages 1\noom_kill 0\n', 0],
  ['oom_kill_disable 0\n', null],
])('the counter in %j', (text, count) => {
  expect(killsIn(text)).toBe(count);
});

test('a counter that rises counts, a counter that came or went does not', () => {
  expect(haveRisen([0, 4], [0, 5])).toBe(true);
  expect(haveRisen([0, 4], [0, 4])).toBe(false);
  expect(haveRisen([4], [0, 5])).toBe(false);
  expect(
    haveRisen(
      memoryKills(),
      memoryKills().map((count) => count + 1),
    ),
  ).toBe(memoryKills().length > 0);
});
