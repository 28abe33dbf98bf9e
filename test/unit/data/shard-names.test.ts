/** The names of shards: braces as a shell has them, and names that stay within the data set. */

import { expect, test } from 'vitest';
import { expandBraces, isShardName, SHARDS_MAX } from '../../../src/data/shard/shard-names.js';

// As bash has them.
test.each([
  ['a.tar', ['a.tar']],
  ['a-{8..11}.tar', ['a-8.tar', 'a-9.tar', 'a-10.tar', 'a-11.tar']],
  ['a-{08..11}.tar', ['a-08.tar', 'a-09.tar', 'a-10.tar', 'a-11.tar']],
  ['a-{3..1}', ['a-3', 'a-2', 'a-1']],
  ['{b,a}/{0..1}.tar', ['b/0.tar', 'b/1.tar', 'a/0.tar', 'a/1.tar']],
  ['a-{x}.tar', ['a-{x}.tar']],
])('%s', (pattern, names) => {
  expect(expandBraces(pattern)).toEqual(names);
});

test('more shards than there may be are none', () => {
  expect(expandBraces(`{1..${SHARDS_MAX}}`)).toHaveLength(SHARDS_MAX);
  expect(expandBraces('{0..999999999999}')).toBeNull();
  expect(expandBraces('{1..1000}{1..1000}')).toBeNull();
});

test('names that lead out of the data set are no parts', () => {
  expect(['train', 'a/b-{0..3}.tar', 'a*.tar', '{a,b}.tgz'].map(isShardName)).toEqual([true, true, true, true]);
  expect(['/a.tar', '../a.tar', 'a/../../b.tar', '', 'a//b.tar', 'a\0.tar', 'a\\b.tar'].map(isShardName)).toEqual(Array(7).fill(false));
});
