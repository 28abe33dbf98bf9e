/** The manners of the sources: sizes, names, and what only files at the edge may touch. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { packageFolder } from '../../src/process/package-folder.js';
import { findFaults } from '../support/arch/source-fault.js';

/** Files that touch the clock, timers, the environment, the console and the end of the process. */
const EDGE = /^src\/(base\/clock|trace\/watch-draws)\.ts$|^src\/(process|cli|log)\/|(^|\/)main\.ts$/;
const PROGRAM = ['src', 'coordinator', 'worker'];

function filesUnder(folder: string): string[] {
  return readdirSync(join(packageFolder, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|mjs)$/.test(name))
    .map((name) => join(folder, name));
}

const programFiles = PROGRAM.flatMap(filesUnder);
const allFiles = [...programFiles, ...filesUnder('test'), ...filesUnder('deploy')];

describe('the checks find what they look for', () => {
  const bad: readonly (readonly [string, string])[] = [
    ['const t = Date.now();', 'Date.now'],
    ['const t = new Date();', 'new Date()'],
    ['setTimeout(() => {}, 3);', 'setTimeout'],
    ['const r = Math.random();', 'Math.random'],
    ['const e = process.env.HOME;', 'process.env'],
    ['process.exit(1);', 'process.exit'],
    ["console.log('a');", 'console.log'],
    ['const a: any = 1;', 'any'],
    ['try { f(); } catch { /* nothing */ }', 'an empty catch'],
    ["enum A { B = 'b' }", 'enum'],
    ["export * from './a.js';", 'export *'],
    ['const a = 1;\nexport function f(): void {}', 'an exported function without a comment'],
    ['const f = (a: 1, b: 2, c: 3, d: 4) => a;', 'a function of 4 parameters, of at most 3'],
    [`function f() {\n${'  g();\n'.repeat(70)}}`, 'a function of 72 lines, of less than 70'],
    [`${'g();\n'.repeat(400)}`, '401 lines, of at most 400'],
    ['/** What is stored. */\nconst a = 1;', 'a sentence that begins with "What is stored."'],
    ['interface A {\n  /** A name. Of the\n   * order. */\n  b: 1;\n}', 'a sentence that begins with "Of the order."'],
  ];
  test.each(bad)('%s', (code, rule) => {
    expect(findFaults(`/** Header. */\n${code}`, { isEdge: false }).map((fault) => fault.rule)).toEqual([rule]);
  });

  test('a file without a header', () => {
    expect(findFaults('const a = 1;\n', { isEdge: false })).toHaveLength(1);
  });

  test('and nothing else', () => {
    const good =
      '/** Header. */\n// setTimeout, any, console.log\nconst a = { any: new Date(3), now: clock.now() };\n/** Whole. What is it? So: Of it. */\nexport function f(): void {}\n';
    expect(findFaults(good, { isEdge: false })).toEqual([]);
    expect(findFaults('/** Header. */\nsetTimeout(f, process.env.A);\n', { isEdge: true })).toEqual([]);
  });
});

function faultsOf(file: string): ReturnType<typeof findFaults> {
  return findFaults(readFileSync(join(packageFolder, file), 'utf8'), { isEdge: EDGE.test(file) });
}

test('the sources keep the manners', () => {
  const faults = programFiles.flatMap((file) =>
    faultsOf(file).map(({ line, rule, mend }) => `${file}:${line}: ${rule}. To mend: ${mend}.`),
  );
  expect(faults).toEqual([]);
});

test('tests and scripts are of a size that can be read', () => {
  const long = allFiles.filter((file) => readFileSync(join(packageFolder, file), 'utf8').split('\n').length > 401);
  expect(long, 'more than 400 lines. To mend: split the file by what it tests.').toEqual([]);
});

test('files are named in kebab-case, after what they are', () => {
  const odd = allFiles.filter((file) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.(ts|mjs)$/.test(basename(file)));
  expect(odd, 'not in kebab-case. To mend: small letters, digits and hyphens.').toEqual([]);
  const vague = allFiles.filter((file) => /^(index|utils?|common|helpers?|misc)\./.test(basename(file)));
  expect(vague, 'a name that says nothing. To mend: name the file after its main export.').toEqual([]);
});

test('every room has a README', () => {
  const rooms = [...new Set(programFiles.map((file) => dirname(file)))].filter((folder) => folder.split('/').length === 2);
  const without = [...rooms, 'deploy', 'deploy/local'].filter((room) => !existsSync(join(packageFolder, room, 'README.md')));
  expect(without, 'no README.md. To mend: say what the room owns, its files, and how to add one more of its kind.').toEqual([]);
});
