/**
 * The tests that every data format that is read whole must pass, by the cases of one format: small valid sets, files that are wrong, files that
 * are missing. A format's test file names its cases and nothing else that is the same for all.
 */

import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assert, present } from '../../src/base/assert.js';
import { FORMATS } from '../../src/data/catalogue.js';
import type { PartSource, ResidentFormat } from '../../src/data/format.js';
import type { ImageShape } from '../../src/data/sample-source.js';
import type { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { Damage } from './damage.js';

/** Writes a valid set into a folder. */
type Write = (folder: string) => Promise<void>;

export interface ValidSet {
  readonly what: string;
  readonly write: Write;
  readonly labels: string;
  readonly shape: ImageShape;
  /** The samples of each part of the set. */
  readonly counts: Readonly<Record<string, number>>;
}

export interface FormatCases {
  /** In the catalogue. */
  readonly name: string;
  readonly sets: readonly ValidSet[];
  /** Changes to a file of the first part of a set that `write` wrote, each with the error that names it. */
  readonly damages: readonly { readonly what: string; readonly write: Write; readonly rows: readonly Damage[] }[];
  /** Files of the first part of the first set, and what is said when there is none. */
  readonly missing: readonly (readonly [file: string, message: RegExp])[];
}

let root = '';
/** A new folder, until the tests of the file are over. */
export const newFolder = (): Promise<string> => mkdtemp(join(root, 'set-'));

/** The format of the catalogue, one that is read whole. */
export function formatNamed(name: string): ResidentFormat {
  const format = present(FORMATS.get(name), `format ${name}`);
  assert(format.kind === 'resident', `${name} is not read whole`);
  return format;
}

/** The error of the work, which must be one that users meet. */
export async function failureOf(work: Promise<unknown>): Promise<StillhouseError> {
  const outcome = await work.then(
    () => 'no error',
    (error: unknown) => error,
  );
  expect(outcome).toMatchObject({ name: 'StillhouseError' });
  return outcome as StillhouseError;
}

/** The tests that all formats have that are read whole. */
export function describeFormat({ name, sets, damages, missing }: FormatCases): void {
  const firstPart = Object.keys(sets[0]!.counts)[0]!;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'stillhouse data ')); // with a space
  });
  afterAll(() => rm(root, { recursive: true }));

  test('it declares parts, and labels that a recipe without data.labels means', () => {
    const { parts, labelSets } = formatNamed(name);
    for (const part of sets.flatMap(({ counts }) => Object.keys(counts))) {
      expect('allows' in parts ? parts.allows(part) : parts.includes(part)).toBe(true);
    }
    if (!('allows' in parts)) expect(Object.keys(sets[0]!.counts)).toEqual(parts);
    expect(labelSets).toContain('fine');
    expect(new Set(sets.map(({ labels }) => labels))).toEqual(new Set(labelSets));
  });

  test.each(sets)('a valid set, $what, $labels labels: inspecting and reading agree', async (set) => {
    const folder = await newFolder();
    await set.write(folder);
    for (const part of Object.keys(set.counts)) await expectPart(formatNamed(name), { ...set, folder, part });
  });

  describe.each(damages)('damaged, $what', ({ write, rows }) => {
    test.each(rows.map((row) => ({ change: row[0], row })))('$change', async ({ row }) => {
      const folder = await newFolder();
      await write(folder);
      await expectDamage(formatNamed(name), { folder, part: firstPart }, row);
    });
  });

  test.each(missing)('without %s', async (file, message) => {
    const folder = await newFolder();
    await sets[0]!.write(folder);
    await expectMissing(formatNamed(name), { folder, part: firstPart, file, message });
  });
}

async function expectPart(format: ResidentFormat, set: ValidSet & { readonly folder: string; readonly part: string }): Promise<void> {
  const { folder, part, labels, shape } = set;
  const count = present(set.counts[part], `the count of part ${part}`);
  const source = { folder, part, labels };
  const read = await format.read(source);
  expect(await format.inspect(source)).toEqual({ ...shape, count });
  expect(read).toMatchObject({ ...shape, count });
  if (format.channels !== null) expect(shape.channels).toBe(format.channels);
  expect(read.pixels.length).toBe(count * shape.height * shape.width * shape.channels);
  expect(read.labels.length).toBe(count);
  expect(read.labels.every((label) => 0 <= label && label < shape.classes)).toBe(true);
  expect(read.files.map(({ file }) => file)).toEqual(await format.files(source));
}

/** Applies a row to the set in `folder`, and expects its error from reading and, where headers show it, from inspecting. */
async function expectDamage(format: ResidentFormat, { folder, part }: Pick<PartSource, 'folder' | 'part'>, row: Damage): Promise<void> {
  const [, name, change, offset, message, seen = 'content', blamed = name] = row;
  const before = await readFile(join(folder, name));
  await writeFile(join(folder, name), change(before));
  const file = join(folder, blamed);
  const byte = typeof offset === 'number' ? offset : offset(before.length);
  for (const labels of format.labelSets) {
    const source = { folder, part, labels };
    const works = [format.read(source), ...(seen === 'header' ? [format.inspect(source)] : [])];
    for (const error of await Promise.all(works.map(failureOf))) {
      expect(error).toMatchObject({ code: 'data.damaged', details: { file, offset: byte } });
      expect(error.message).toMatch(message);
      expect(error.message).toContain(`${file}: `);
    }
  }
}

interface MissingFile {
  readonly folder: string;
  readonly part: string;
  readonly file: string;
  readonly message: RegExp;
}

async function expectMissing(format: ResidentFormat, { folder, part, file, message }: MissingFile): Promise<void> {
  const source = { folder, part, labels: 'fine' };
  await rename(join(folder, file), join(folder, 'elsewhere'));
  const works = [format.files(source), format.inspect(source), format.read(source)];
  for (const error of await Promise.all(works.map(failureOf))) {
    expect(error).toMatchObject({ code: 'data.missing', details: { file: folder } });
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/change data\.path/);
  }
  // A folder of that name is not the file.
  await mkdir(join(folder, file));
  expect(await failureOf(format.read(source))).toMatchObject({ code: 'data.missing' });
}
