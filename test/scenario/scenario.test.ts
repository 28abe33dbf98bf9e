import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { playScript } from '../support/scenario.js';

const folder = new URL('./script/', import.meta.url);
const scripts = readdirSync(folder).filter((name) => name.endsWith('.txt'));

test('there are scripts', () => {
  expect(scripts.length).toBeGreaterThan(5);
});

test.each(scripts)('%s', (name) => {
  const file = new URL(name, folder);
  const text = readFileSync(file, 'utf8');
  const played = playScript(text);
  if (process.env.STILLHOUSE_REWRITE === '1') writeFileSync(file, played);
  expect(played).toBe(process.env.STILLHOUSE_REWRITE === '1' ? played : text);
});
