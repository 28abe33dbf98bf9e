/** The tar shards that a recipe names: one by one by braces, by a pattern, or all of a folder. */

import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { StillhouseError } from '../../errors/stillhouse-error.js';
import { unreadable } from '../data-file.js';

/** The most shards of a part. */
export const SHARDS_MAX = 100_000;
const SHARD = /\.(tar|tar\.gz|tgz)$/;

/** Whether the name of a part, and each name that its braces stand for, stays within the data set's folder. */
export function isShardName(name: string): boolean {
  // More names than there may be are refused where they are looked for.
  return [name, ...(expandBraces(name) ?? [])].every(staysWithin);
}

function staysWithin(name: string): boolean {
  return /^[^\\\0]+$/.test(name) && name.split('/').every((step) => step !== '..' && step !== '');
}

/**
 * The names that braces stand for, in order, as a shell has them: `{000..146}` numbers, as wide as the wider one is written where one begins with 0, `{a,b}` one after
 * the other, several of them with the last one running fastest. Null when they are more than {@link SHARDS_MAX}.
 */
export function expandBraces(pattern: string): readonly string[] | null {
  const [whole, inner] = /\{([^{}]*)\}/.exec(pattern) ?? [];
  if (whole === undefined || inner === undefined) return [pattern];
  const at = pattern.indexOf(whole);
  const [before, after] = [pattern.slice(0, at), pattern.slice(at + whole.length)];
  const choices = choicesOf(inner);
  const rest = expandBraces(after);
  if (choices === null || rest === null || choices.length * rest.length > SHARDS_MAX) return null;
  return choices.flatMap((choice) => rest.map((end) => before + choice + end));
}

function choicesOf(inner: string): readonly string[] | null {
  const [, from, to] = /^(\d{1,15})\.\.(\d{1,15})$/.exec(inner) ?? [];
  if (from === undefined || to === undefined) return inner.includes(',') ? inner.split(',') : [`{${inner}}`];
  const [first, last] = [Number(from), Number(to)];
  const count = Math.abs(last - first) + 1;
  if (count > SHARDS_MAX) return null;
  const isPadded = [from, to].some((text) => text.length > 1 && text.startsWith('0'));
  const width = isPadded ? Math.max(from.length, to.length) : 0;
  return Array.from({ length: count }, (_, i) => String(first <= last ? first + i : first - i).padStart(width, '0'));
}

/**
 * The absolute paths of the shards of a part, in order. Throws data.missing where one is not there, and data.damaged where one is named twice, also by a link, or is reached by
 * a link out of the data set's folder. A part that is a folder may be such a link itself, as in the format `folder`.
 */
export async function findShards(folder: string, part: string): Promise<readonly string[]> {
  const names = expandBraces(part);
  if (names === null)
    throw new StillhouseError('data.missing', `${part} names more than ${SHARDS_MAX} shards`, {
      file: folder,
      hint: 'Write larger shards',
    });
  const found: string[] = [];
  const had = new Map<string, string>();
  let root: string | null = null;
  for (const name of names) {
    const path = join(folder, name);
    const shards = await shardsOf(path);
    root ??= await realOf(folder);
    const isFolder = dirname(shards[0]!) === path;
    const roots = isFolder ? [root, await realOf(path)] : [root];
    for (const shard of shards) {
      const real = await realOf(shard);
      if (!roots.some((one) => isWithin(real, one))) throw leadsOut(shard, real);
      const before = had.get(real);
      if (before !== undefined) throw namedTwice(part, shard, before);
      had.set(real, shard);
      found.push(shard);
    }
  }
  return found;
}

function isWithin(path: string, folder: string): boolean {
  return path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

/** The path without links. */
function realOf(path: string): Promise<string> {
  return realpath(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
}

function namedTwice(part: string, shard: string, before: string): StillhouseError {
  const link = shard === before ? '' : `: it is the same file as ${before}`;
  return new StillhouseError('data.damaged', `${part} names this shard twice${link}`, { file: shard, hint: 'Each shard counts once' });
}

function leadsOut(shard: string, real: string): StillhouseError {
  return new StillhouseError('data.damaged', `is reached by a link out of the data set's folder, to ${real}`, {
    file: shard,
    hint: 'Put the shard itself there, or set data.path to the folder that has it',
  });
}

/** The shards of a path: a pattern with * and ? in its last step, a folder, or a shard. */
async function shardsOf(path: string): Promise<readonly string[]> {
  const hint =
    'A part is the names of tar shards from data.path on, as in train-{000000..000146}.tar or train-*.tar, or of a folder of them';
  if (/[*?]/.test(basename(path))) {
    const matching = await matchesIn(dirname(path), patternOf(basename(path)));
    if (matching.length > 0) return matching;
    throw new StillhouseError('data.missing', 'no shard has a name of this pattern', { file: path, hint });
  }
  const there = await stat(path).catch(() => null);
  if (there === null) throw new StillhouseError('data.missing', 'there is no such shard', { file: path, hint });
  if (!there.isDirectory()) return [path];
  const all = await matchesIn(path, SHARD);
  if (all.length > 0) return all;
  throw new StillhouseError('data.missing', 'has no shard: no file with a name that ends in .tar, .tar.gz or .tgz', { file: path, hint });
}

/** In the order of the bytes of their names. */
async function matchesIn(folder: string, pattern: RegExp): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => []);
  const fitting = names.filter((name) => !name.startsWith('.') && pattern.test(name)).map((name) => Buffer.from(name));
  return fitting.sort(Buffer.compare).map((name) => join(folder, String(name)));
}

function patternOf(name: string): RegExp {
  const source = name
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 's');
}
