/** The names of the copies of modules, and the files that a copy would not find. */

import { expect, test } from 'vitest';
import { copyOf, moduleOption, neighboursOf } from '../../../src/recipe/module-copy.js';

const digest = 'ab'.repeat(32);

test('a copy has the name of the file, digits of its content, and its extension; a copy of a copy is itself', () => {
  const copy = copyOf('/runs/r', { file: '/home/own.loss.mjs', digest });
  expect(copy).toBe('/runs/r/modules/own.loss-abababababab.mjs');
  expect(copyOf('/runs/r', { file: copy, digest: 'cd'.repeat(32) })).toBe(copy);
  expect(copyOf('/runs/r', { file: `/home/${'x'.repeat(250)}.js`, digest }).length).toBeLessThan(100);
});

test('the option that names a copy can be typed', () => {
  expect(moduleOption('stages.s.loss.terms[0]', '/r/modules/a-1.mjs')).toBe('--set stages.s.loss.terms.0.module=/r/modules/a-1.mjs');
  expect(moduleOption('models.own', '/my runs/a.mjs')).toBe('--set models.own.module="/my runs/a.mjs"');
});

test.each([
  ["import { a } from './a.mjs';", ['./a.mjs']],
  ['export * from "../b.mjs";', ['../b.mjs']],
  ["const c = await import('./c.mjs'); readFile(new URL(`./c.json`, import.meta.url));", ['./c.mjs', './c.json']],
  ["import tf from '@tensorflow/tfjs-core'; const half = 1 / 2; const dots = '...'; // see ./d.mjs", []],
])('%s', (text, expected) => {
  expect(neighboursOf(text)).toEqual(expected);
});
