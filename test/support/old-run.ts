/**
 * The folder of a run of format 1, with every file as the programs of that time wrote it: a recipe, a journal with a commit
 * and a checkpoint `base-1`, the term, and metrics. Its bytes are the only thing that is known of those programs.
 */

import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const HEX = 'ab'.repeat(32);
const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');

const RECIPE = `name: old
seed: 1
data:
  format: idx
  path: builtin:fashion-mnist
  normalise: { mean: [0.286], std: [0.353] }
  splits: { train: { part: test, to: 100 }, test: { part: test, from: 100, to: 120 } }
models: { net: { name: cnn-student } }
stages:
  base: { kind: train, model: net, on: train, test: test, epochs: 2, batch: 10, optimizer: { name: sgd, rate: 0.1 } }
`;

/** Makes `parent`/old and answers its path. */
export function writeOldRun(parent: string): string {
  const run = join(parent, 'old');
  mkdirSync(join(run, 'checkpoints', 'base-1'), { recursive: true });
  mkdirSync(join(run, 'terms'));
  mkdirSync(join(run, 'export'));
  const write = (name: string, data: string | Uint8Array): void => writeFileSync(join(run, name), data);
  write('config.resolved.yaml', RECIPE);
  write('terms/1', '{"host":"elsewhere","pid":1}\n');
  write('metrics.jsonl', '{"time":"2024-01-01T00:00:00.000Z","type":"run-started","run":"old","term":1,"stages":["base"]}\n');
  const parameters = Float32Array.of(1, 2, 3, 4);
  const bytes = new Uint8Array(parameters.buffer);
  const hash = sha256(bytes);
  const ranges = [{ start: 0, end: 80 }];
  const records = [
    { type: 'term', term: 1 },
    { type: 'commit', stage: 'base', round: 1, contributors: [1], ranges, hash, committed: 80, term: 1 },
    { type: 'checkpoint', id: 'base-1', stage: 'base', round: 1, hash, term: 1 },
  ];
  const line = (record: object) => `${JSON.stringify({ sum: sha256(JSON.stringify(record)).slice(0, 16), record })}\n`;
  write('journal', records.map(line).join(''));
  const tensor = (name: string, data: Uint8Array) => {
    write(`checkpoints/base-1/${name}.bin`, data);
    return { name, dtype: 'float32', shape: [data.length / 4], file: `${name}.bin`, bytes: data.length, sha256: sha256(data) };
  };
  const tensors = [tensor('parameters', bytes), tensor('slots', new Uint8Array(0))];
  const manifest = { format: 2, id: 'base-1', term: 1, stage: 'base', round: 1, ranges, hash, schema: HEX, tensors };
  write('checkpoints/base-1/manifest.json', `${JSON.stringify({ manifest, sha256: sha256(JSON.stringify(manifest)) }, null, 1)}\n`);
  return run;
}
