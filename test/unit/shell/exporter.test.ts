/** The coordinator's export of a finished model: from its checkpoint alone, whole or not at all, and its end is told. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { CoreEvent } from '../../../coordinator/core/types.js';
import { type ExportEffect, Exporter } from '../../../coordinator/shell/exporter.js';
import { takeTerm } from '../../../coordinator/shell/term.js';
import { asRoundId } from '../../../src/base/ids.js';
import { type FileSystem, nodeFileSystem } from '../../../src/checkpoint/file-system.js';
import { openCheckpointStore } from '../../../src/checkpoint/store.js';
import { type Recipe, recipeSchema, type StageRecipe } from '../../../src/config/schema.js';
import { contentOf, sha256, stateOf } from '../checkpoint/content.js';
import { systemError } from '../checkpoint/memory-disk.js';
import { recordingLogger } from './recording-logger.js';
import { scratchFolder } from './scratch-folder.js';

const recipe = recipeSchema.parse({
  name: 'demo',
  data: {
    format: 'idx',
    path: 'builtin:fashion-mnist',
    normalise: { mean: [0.286], std: [0.353] },
    splits: { all: { part: 'test' } },
  },
  models: {},
  stages: { out: { kind: 'export', of: 'base' } },
});

async function opened({ fs = nodeFileSystem, stages = recipe.stages }: { fs?: FileSystem; stages?: Recipe['stages'] } = {}) {
  const folder = scratchFolder();
  const exports = join(folder, 'export');
  await nodeFileSystem.makeFolder(exports);
  const terms = join(folder, 'terms');
  const store = await openCheckpointStore(join(folder, 'checkpoints'));
  const events: CoreEvent[] = [];
  const exporter = new Exporter({
    ...{
      term: await takeTerm(terms, {}),
      store,
      folder: exports,
      run: 'demo-1',
      recipe: { ...recipe, stages },
      trainedOn: () => [],
      logger: recordingLogger([]),
      fs,
    },
    onEnd: (event) => events.push(event),
  });
  const carryOut = async (change: Partial<ExportEffect> = {}) => {
    const { hash } = contentOf(2).info;
    exporter.begin({
      ...{ type: 'export', stage: 'out', round: asRoundId(9), state: stateOf(2), hash, epoch: 4, accuracy: 0.79 },
      ...change,
    });
    await exporter.idle();
    return events.splice(0);
  };
  return { exports, terms, store, carryOut };
}

test('a model is two files with its facts; a second export replaces the first', async () => {
  const { exports, store, carryOut } = await opened();
  await store.put(contentOf(2));
  expect(await carryOut({ epoch: null })).toEqual([{ type: 'exported', stage: 'out', round: 9 }]);
  expect(await carryOut()).toEqual([{ type: 'exported', stage: 'out', round: 9 }]);
  expect(readdirSync(exports)).toEqual(['base']);
  expect(readdirSync(join(exports, 'base')).sort()).toEqual(['model.json', 'weights.bin']);
  const { userDefinedMetadata } = JSON.parse(readFileSync(join(exports, 'base/model.json'), 'utf8')) as Record<string, unknown>;
  expect(userDefinedMetadata).toMatchObject({
    stillhouse: {
      ...{ run: 'demo-1', stage: 'base', peer: 'model', round: 2, epoch: 4, accuracy: 0.79, mean: [0.286], std: [0.353] },
      ...{ output: 'logits', parametersSha256: sha256(contentOf(2).tensors.get('parameters') as Float32Array) },
      classNames: expect.arrayContaining(['Trouser', 'Ankle boot']),
    },
  });
  const weights = readFileSync(join(exports, 'base/weights.bin'));
  expect(new Float32Array(new Uint8Array(weights).buffer)).toEqual(contentOf(2).tensors.get('parameters'));
});

test('the last and the best epoch of one model are both kept, each in the folder of its own stage', async () => {
  const of = (epoch: 'best' | 'last'): StageRecipe => ({ kind: 'export', needs: [], of: { stage: 'base', epoch } });
  const { exports, store, carryOut } = await opened({ stages: { final: of('last'), peak: of('best') } });
  await store.put(contentOf(2));
  await carryOut({ stage: 'final', epoch: 4 });
  await carryOut({ stage: 'peak', epoch: 3 });
  expect(readdirSync(exports).sort()).toEqual(['final', 'peak']);
  const epochOf = (folder: string) =>
    (JSON.parse(readFileSync(join(exports, folder, 'model.json'), 'utf8')) as { userDefinedMetadata: { stillhouse: { epoch: number } } })
      .userDefinedMetadata.stillhouse.epoch;
  expect([epochOf('final'), epochOf('peak')]).toEqual([4, 3]);
});

test('the export of a model from outside says where it came from, and no epoch', async () => {
  const load: StageRecipe = { kind: 'load', needs: [], from: { run: '/runs/old', stage: 's', epoch: 'best' }, test: 'all' };
  const { exports, store, carryOut } = await opened({ stages: { base: load, out: { kind: 'export', needs: [], of: 'base' } } });
  await store.put(contentOf(2));
  await carryOut({ epoch: 0 });
  const { userDefinedMetadata } = JSON.parse(readFileSync(join(exports, 'base/model.json'), 'utf8')) as Record<string, unknown>;
  expect(userDefinedMetadata).toMatchObject({ stillhouse: { takenFrom: 'old:s (best)', epoch: null, accuracy: 0.79 } });
});

test.each<[string, Partial<ExportEffect>, string, RegExp]>([
  ['a checkpoint that is not there', { state: stateOf(3) }, 'checkpoint.missing', /the export of base was not written: .*no checkpoint/],
  ['a checkpoint of other parameters', { hash: 'a'.repeat(64) }, 'checkpoint.damaged', /has other parameters than were committed/],
])('%s is told, and nothing is written', async (_, change, code, message) => {
  const { exports, store, carryOut } = await opened();
  await store.put(contentOf(2));
  expect(await carryOut(change)).toEqual([
    { type: 'export-failed', stage: 'out', round: 9, code, message: expect.stringMatching(message) },
  ]);
  expect(readdirSync(exports)).toEqual([]);
});

test('a full disk is told; the export before stays whole', async () => {
  let isFull = false;
  const create: FileSystem['create'] = async (path) => {
    const file = await nodeFileSystem.create(path);
    return isFull && path.endsWith('model.json') ? { ...file, write: () => Promise.reject(systemError('ENOSPC')) } : file;
  };
  const { exports, store, carryOut } = await opened({ fs: { ...nodeFileSystem, create } });
  await store.put(contentOf(2));
  await carryOut();
  const before = readFileSync(join(exports, 'base/model.json'), 'utf8');
  isFull = true;
  expect(await carryOut({ epoch: 5 })).toMatchObject([
    { type: 'export-failed', code: 'run.unwritable', message: expect.stringContaining('ENOSPC') },
  ]);
  expect(readdirSync(exports)).toEqual(['base']);
  expect(readFileSync(join(exports, 'base/model.json'), 'utf8')).toBe(before);
});

test('after another coordinator has taken over nothing is written', async () => {
  const { exports, terms, store, carryOut } = await opened();
  await store.put(contentOf(2));
  await takeTerm(terms, {});
  expect(await carryOut()).toMatchObject([{ type: 'export-failed', code: 'run.busy' }]);
  expect(readdirSync(exports)).toEqual([]);
});
