import { expect, test } from 'vitest';
import { type Findings, missingRequirements } from '../../../src/native/requirement.js';

const WHOLE: Findings = {
  pip: { command: ['python3', '-m', 'pip'] },
  compiler: { command: ['g++'] },
  cache: '/home/you/.cache/stillhouse',
  cacheFault: null,
  freeBytes: 2_000_000_000,
  neededBytes: 1_147_000_000,
};

test('a machine that has everything lacks nothing', () => {
  expect(missingRequirements(WHOLE)).toEqual([]);
});

test.each<[string, Partial<Findings>, RegExp]>([
  ['pip', { pip: { fault: 'No module named pip' } }, /^Python with pip: No module named pip\. .*apt-get install python3-pip/],
  ['a compiler', { compiler: { fault: 'not on the PATH' } }, /^a C\+\+ compiler: not on the PATH\. .*apt-get install g\+\+.*CXX/],
  ['a folder', { cacheFault: 'EACCES' }, /^a folder to write to: \/home\/you\/\.cache\/stillhouse: EACCES\. .*STILLHOUSE_CACHE/],
  ['space', { freeBytes: 1_000_000 }, /^free space: .* needs 1,147 MB, .* 1 MB free\. .*STILLHOUSE_CACHE/],
])('%s that is missing is named with what to do', (_, change, sentence) => {
  const missing = missingRequirements({ ...WHOLE, ...change });
  expect(missing).toEqual([expect.stringMatching(sentence)]);
});

test('everything that is missing is named at once', () => {
  const none: Findings = { ...WHOLE, pip: { fault: 'a' }, compiler: { fault: 'b' }, freeBytes: 0 };
  expect(missingRequirements(none)).toHaveLength(3);
});
