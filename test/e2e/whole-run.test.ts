/** A whole run from one command: what it prints, what it leaves, and that its model is anybody's. */

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { packageFolder } from '../../src/process/package-folder.js';
import { auditRun } from '../support/audit.js';
import { WAIT_MS } from '../support/run-process.js';
import { journalOf, jsonLines, summaryOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';

const room = useRunRoom();

const NORMALISE = { mean: 0.286, std: 0.353 };
const TEST_SPLIT = { from: 9500, to: 10_000 };

/** The demo with fewer images and epochs. */
const DEMO = {
  name: 'demo',
  data: {
    format: 'idx',
    path: 'builtin:fashion-mnist',
    normalise: { mean: [NORMALISE.mean], std: [NORMALISE.std] },
    splits: { train: { part: 'test', from: 0, to: 2000 }, few: { part: 'test', from: 0, to: 320 }, test: { part: 'test', ...TEST_SPLIT } },
  },
  models: { teacher: { name: 'cnn-teacher' }, student: { name: 'cnn-student' } },
  stages: {
    teacher: {
      ...{ kind: 'train', model: 'teacher', on: 'train', test: 'test', epochs: 2, batch: 32 },
      optimizer: { name: 'sgd', rate: 0.03, momentum: 0.9 },
    },
    baseline: {
      ...{ kind: 'train', model: 'student', on: 'few', test: 'test', epochs: 12, batch: 16, evaluateEvery: 4 },
      optimizer: { name: 'adam', rate: 0.003 },
    },
    student: {
      ...{ kind: 'distil', teacher: 'teacher', model: 'student', on: 'few', test: 'test', epochs: 12, batch: 16, evaluateEvery: 4 },
      optimizer: { name: 'adam', rate: 0.003 },
      loss: { temperature: 4, alpha: 0.9 },
    },
    export: { kind: 'export', of: 'student' },
  },
  workers: { students: 2, teachers: 1, engine: 'wasm' },
};
const SAMPLES = 2 * 2000 + 12 * 320 + 12 * 320;

describe('the demo in small', () => {
  test('runs to its end, leaves all that it promises, and a model that stock tfjs opens', async () => {
    const cli = room.start('run', room.recipe(DEMO), '--out', room.runs, '--json');
    expect(await cli.exit()).toBe(0);

    expect(cli.linesOf('stage-done').map(({ result }) => result.stage)).toEqual(['teacher', 'baseline', 'student', 'export']);
    const run = join(room.runs, cli.linesOf('run-started')[0]?.run ?? '');
    expect(cli.lines().at(-1)).toEqual({ type: 'summary', ...summaryOf(run), warnings: [] });
    expectSummary(run);
    await expectFolder(run);
    expect(await auditRun(run)).toEqual({ teacher: [], baseline: [], student: [] });
    const stock = stockAccuracy(join(run, 'export', 'student'));
    expect(stock.parameters).toBe(4266);
    expect(Math.abs(stock.accuracy - (summaryOf(run).accuracy.student?.last ?? 0))).toBeLessThanOrEqual(0.005);

    const again = room.start('export', run, '--stage', 'student', '--out', join(room.folder, 'again'));
    expect(await again.exit()).toBe(0);
    for (const file of ['model.json', 'weights.bin']) {
      expect(readFileSync(join(room.folder, 'again', file)).equals(readFileSync(join(run, 'export', 'student', file))), file).toBe(true);
    }
  });
});

function expectSummary(run: string): void {
  const summary = summaryOf(run);
  const accuracy = { last: expect.any(Number), best: expect.any(Number), epoch: expect.any(Number) };
  const model = (parameters: number) => ({ parameters, bytes: 4 * parameters, millisecondsPerImage: expect.any(Number) });
  const calibration = { error: expect.any(Number), temperature: expect.any(Number), errorAtTemperature: expect.any(Number) };
  const term = { loss: expect.any(Number), share: expect.any(Number) };
  const alone = { terms: { labels: term }, sameAsTeacher: null };
  expect(summary).toEqual({
    engine: 'wasm',
    calibration: { teacher: calibration, baseline: calibration, student: calibration },
    training: { teacher: alone, baseline: alone, student: { terms: { labels: term, hinton: term }, sameAsTeacher: expect.any(Number) } },
    agreement: {},
    waited: {},
    late: {},
    trainingLoss: {},
    skipped: {},
    durationSeconds: expect.any(Number),
    accuracy: { teacher: accuracy, baseline: accuracy, student: accuracy },
    testLoss: { teacher: expect.any(Number), baseline: expect.any(Number), student: expect.any(Number) },
    models: { teacher: model(52_138), student: model(4266) },
    imagesPerSecond: { teacher: expect.any(Number), student: expect.any(Number) },
    wireBytes: { control: expect.any(Number), data: expect.any(Number) },
    commits: expect.any(Number),
    samplesCommitted: SAMPLES,
    restarts: 0,
  });
  // Ten classes: whoever learns nothing has a tenth.
  for (const { last, best } of Object.values(summary.accuracy)) {
    expect(last).toBeGreaterThan(0.4);
    expect(best).toBeGreaterThanOrEqual(last);
  }
  for (const positive of [...Object.values(summary.imagesPerSecond), ...Object.values(summary.wireBytes), summary.durationSeconds]) {
    expect(positive).toBeGreaterThan(0);
  }
}

async function expectFolder(run: string): Promise<void> {
  expect(readdirSync(run)).toEqual(
    expect.arrayContaining(['checkpoints', 'config.resolved.yaml', 'export', 'journal', 'log.jsonl', 'metrics.jsonl', 'summary.json']),
  );
  expect(existsSync(join(run, 'export', 'student', 'model.json'))).toBe(true);
  for (const line of jsonLines(join(run, 'log.jsonl'))) {
    expect(line).toMatchObject({ event: expect.stringMatching(/^[a-z]+\.[a-zA-Z]+$/), run: expect.any(String), role: expect.any(String) });
  }
  for (const line of jsonLines(join(run, 'metrics.jsonl')))
    expect(line).toMatchObject({ type: expect.any(String), time: expect.any(String) });
  expect((await journalOf(run, 'commit')).length).toBe(summaryOf(run).commits);
  expect((await journalOf(run, 'run-done')).length).toBe(1);
  expect(readFileSync(join(run, 'config.resolved.yaml'), 'utf8')).toContain('cnn-student');
}

function stockAccuracy(model: string): { readonly accuracy: number; readonly parameters: number } {
  const data = join(packageFolder, 'deploy/data/fashion-mnist');
  const images = join(data, 't10k-images-idx3-ubyte.gz');
  const labels = join(data, 't10k-labels-idx1-ubyte.gz');
  const argument = JSON.stringify({ model, images, labels, ...TEST_SPLIT, ...NORMALISE });
  const script = join(packageFolder, 'test/support/stock-model.mjs');
  const { stdout, stderr, status } = spawnSync(process.execPath, [script, argument], { encoding: 'utf8', timeout: WAIT_MS });
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout) as ReturnType<typeof stockAccuracy>;
}
