/** The names of shards: braces as a shell has them, and names that stay within the data set. */

import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expandBraces, findShards, isShardName, SHARDS_MAX } from '../../../src/data/shard/shard-names.js';
import { failureOf } from '../../support/format-cases.js';

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

test('nor are names that braces make of harmless pieces', () => {
  const out = ['{..,a}/x.tar', '{.,b}{.,c}/x.tar', 'a/{..,b}/{..,c}/x.tar', '{/etc,b}/x.tar', '{,a}/x.tar', 'x/{1..2}/{.,a}.'];
  expect(out.map(isShardName)).toEqual(Array(6).fill(false));
  expect(['{.,b}/x.tar', '{.a,b}{.,c}.tar', 'a..{1..2}.tar'].map(isShardName)).toEqual([true, true, true]);
});

describe('links', () => {
  let root = '';
  let set = '';
  beforeAll(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), 'stillhouse links ')));
    set = join(root, 'set');
    for (const folder of ['set/a', 'elsewhere']) await mkdir(join(root, folder), { recursive: true });
    for (const shard of ['set/a/0.tar', 'elsewhere/1.tar']) await writeFile(join(root, shard), '');
    await symlink(join(root, 'elsewhere/1.tar'), join(set, 'out.tar'));
    await symlink('../elsewhere', join(set, 'linked'));
    await symlink('a/0.tar', join(set, 'within.tar'));
    await symlink('a', join(set, 'b'));
    await symlink('set', join(root, 'set-link'));
  });
  afterAll(() => rm(root, { recursive: true }));

  test('lead to shards within the folder, the folder itself may be one, and so may a part that is a folder', async () => {
    expect(await findShards(set, 'within.tar')).toEqual([join(set, 'within.tar')]);
    expect(await findShards(join(root, 'set-link'), 'b/{0..0}.tar')).toEqual([join(root, 'set-link/b/0.tar')]);
    expect(await findShards(set, 'linked')).toEqual([join(set, 'linked/1.tar')]);
  });

  test.each(['out.tar', 'o*.tar', 'linked/1.tar', 'linked/*.tar'])('lead no shard out of it: %s', async (part) => {
    const error = await failureOf(findShards(set, part));
    expect(error).toMatchObject({ code: 'data.damaged', details: { file: expect.stringContaining(set) } });
    expect(error.message).toContain(`is reached by a link out of the data set's folder, to ${join(root, 'elsewhere/1.tar')}`);
  });

  test.each(['{a/0,within}.tar', '{a,b}/0.tar', '{a,b}/*.tar'])('count no shard twice: %s', async (part) => {
    const error = await failureOf(findShards(set, part));
    expect(error.code).toBe('data.damaged');
    expect(error.message).toContain(`names this shard twice: it is the same file as ${join(set, 'a/0.tar')}`);
  });
});
