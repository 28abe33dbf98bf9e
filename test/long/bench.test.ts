/** `npm run bench` from the sources to its lines, on the smallest rows that need nothing but npm, and one that needs the engine `tensorflow`. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { present } from '../../src/base/assert.js';
import { packageFolder } from '../../src/process/package-folder.js';
import type { Exchange } from '../bench/protocol.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';

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

describeTensorflow('tensorflow', () => {
  test("a method's step is measured beside that of plain distillation, with the bytes that it takes from its teacher", () => {
    const folder = mkdtempSync(join(tmpdir(), 'stillhouse-test-'));
    try {
      const size = ['--batch', '2', '--pairs', '1', '--warm-up', '1', '--turn', '0.01', '--out', join(folder, 'raw.json')];
      const args = ['test/bench/start.mjs', '--rows', 'overhead-attention-transfer', '--json', ...size];
      const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd: packageFolder, encoding: 'utf8' });
      expect(status, stdout + stderr).toBe(0);
      // Two images, maps of 32x32, 16x16 and 8x8, four bytes.
      const bytes = 2 * (1024 + 256 + 64) * 4;
      const names = { row: 'overhead-attention-transfer', anchorName: 'Stillhouse tensorflow hinton traced fp32' };
      expect(JSON.parse(stdout)).toMatchObject({ ...names, ratio: expect.any(Number), bytes, reckoned: bytes });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
