/** `npm run bench` from the sources to its lines, on the smallest row that needs nothing but npm. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { present } from '../../src/base/assert.js';
import { packageFolder } from '../../src/process/package-folder.js';
import type { Exchange } from '../bench/protocol.js';

test('two peers in processes of their own learn together as they would in one process, and say what passes between them', ({ skip }) => {
  skip(availableParallelism() < 2, 'the row takes two cores');
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse-test-'));
  try {
    const out = join(folder, 'raw.json');
    const size = ['--batch', '2', '--pairs', '1', '--warm-up', '1', '--turn', '0.01', '--out', out];
    const args = ['test/bench/start.mjs', '--rows', 'mutual-step-wasm', '--json', ...size];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd: packageFolder, encoding: 'utf8' });
    expect(status, stdout + stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ row: 'mutual-step-wasm', anchorName: expect.stringContaining('without exchanging') });
    const raw = JSON.parse(readFileSync(out, 'utf8')) as {
      results: { ours: { turns: { steps: number; exchange: Exchange }[] }; notes: string[] }[];
    };
    const { ours, notes } = present(raw.results[0], 'the row');
    const [turn] = ours.turns;
    // Two peers, two images, 100 classes, four bytes.
    expect(turn?.exchange.rawBytes).toBe(1600 * (turn?.steps ?? 0));
    expect(turn?.exchange.bytes).toBeGreaterThan(turn?.exchange.rawBytes ?? 0);
    // 251 MiB for 128 images.
    const held = notes.flatMap((note) => /: (peer \w+) holds (.*) MiB/.exec(note)?.slice(1) ?? []);
    expect(held).toEqual(['peer one', '3.9', 'peer two', '3.9']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the bench measures a row, skips one that lacks its anchor, and keeps the raw figures', () => {
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse-test-'));
  try {
    const out = join(folder, 'raw.json');
    const size = ['--batch', '2', '--pairs', '2', '--warm-up', '1', '--turn', '0.01', '--out', out];
    const args = ['test/bench/start.mjs', '--rows', 'wasm-student-step,kd-step', '--json', ...size];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd: packageFolder, encoding: 'utf8' });
    expect(status, stderr).toBe(0);
    const [step, skipped] = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(skipped).toEqual({ row: 'kd-step', skipped: 'no --torch PYTHON' });
    expect(step).toMatchObject({ row: 'wasm-student-step', anchorName: expect.stringContaining('convolutions') });
    for (const name of ['ratio', 'min', 'max', 'ours', 'anchor']) expect(step?.[name], name).toBeGreaterThan(0);
    const raw = JSON.parse(readFileSync(out, 'utf8')) as { results: { ours: { turns: unknown[] } }[] };
    expect(raw.results[0]?.ours.turns).toHaveLength(2);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
