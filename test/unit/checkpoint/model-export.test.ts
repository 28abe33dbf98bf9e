/** The files of an export, and the evaluated rounds of a journal from which the best is chosen. */

import { createHash } from 'node:crypto';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readJournalFile } from '../../../src/checkpoint/journal-file.js';
import { writeJournalLine } from '../../../src/checkpoint/journal-line.js';
import { bestRound, evaluatedRounds } from '../../../src/checkpoint/kept-epoch.js';
import { exportModel, inputShapeOf, type ModelFacts } from '../../../src/checkpoint/model-export.js';
import { readTopology } from '../../../src/tensor/topology.js';
import { scratchFolder } from '../shell/scratch-folder.js';
import { topologyFor } from './content.js';

const FACTS: ModelFacts = {
  ...{ run: 'demo-1', stage: 'student', peer: 'model', round: 15, epoch: 3, accuracy: 0.79, mean: [0.286], std: [0.353] },
  classNames: ['shirt', 'shoe'],
};
const parameters = Float32Array.of(1, -2, 0.5);

function written(metadata?: Readonly<Record<string, unknown>>) {
  const [weights, model] = exportModel({ topology: topologyFor(3, metadata), parameters, file: '/run' }, FACTS);
  return { weights, model, json: JSON.parse(new TextDecoder().decode(model?.bytes)) as Record<string, unknown> };
}

describe('the files of an export', () => {
  test('are weights and a model that names them, with the facts beside the metadata of the user', () => {
    const { weights, model, json } = written({ author: 'somebody', tags: ['a', 1] });
    expect([weights?.name, model?.name]).toEqual(['weights.bin', 'model.json']);
    expect(weights?.bytes).toEqual(new Uint8Array(parameters.buffer));
    expect(json.weightsManifest).toEqual([{ paths: ['weights.bin'], weights: [{ name: 'logits/kernel', shape: [3], dtype: 'float32' }] }]);
    expect(json.userDefinedMetadata).toEqual({
      author: 'somebody',
      tags: ['a', 1],
      stillhouse: {
        ...FACTS,
        inputShape: null,
        output: 'logits',
        parametersSha256: createHash('sha256')
          .update(weights?.bytes ?? '')
          .digest('hex'),
      },
    });
  });

  test('keep the facts of an export that the model was made from', () => {
    const { userDefinedMetadata } = written({ stillhouse: { run: 'earlier' } }).json;
    expect(userDefinedMetadata).toMatchObject({ stillhouse: { run: 'demo-1', from: { run: 'earlier' } } });
  });

  test.each<[string, Uint8Array, Float32Array, RegExp]>([
    ['a damaged topology', new TextEncoder().encode('{'), parameters, /^\/run: the topology of the model: it is not JSON/],
    ['the numbers of another model', topologyFor(4), parameters, /^\/run: the topology has 4 parameters, and 3 are there/],
  ])('are not made of %s', (_, topology, values, message) => {
    const make = () => exportModel({ topology, parameters: values, file: '/run' }, FACTS);
    expect(make).toThrow(expect.objectContaining({ code: 'checkpoint.damaged', message: expect.stringMatching(message) }));
  });
});

test.each<[string, unknown, readonly number[] | null]>([
  [
    'a functional model, by the name of its input',
    { layers: [{ name: 'x' }, { name: 'in', config: { batch_input_shape: [null, 8, 8, 3] } }], input_layers: [['in', 0, 0]] },
    [8, 8, 3],
  ],
  ['a sequential model', { layers: [{ config: { batch_input_shape: [null, 4, 4, 1] } }] }, [4, 4, 1]],
  ['the old form of a sequential model', [{ config: { batch_input_shape: [null, 4, 4, 1] } }], [4, 4, 1]],
  ['images of any size', { layers: [{ config: { batch_input_shape: [null, null, null, 1] } }] }, null],
  ['nothing', null, null],
])('the shape of the input of %s', (_, config, shape) => {
  const topology = readTopology(topologyFor(1));
  if (typeof topology === 'string') throw new Error(topology);
  expect(inputShapeOf({ ...topology, modelTopology: { config } })).toEqual(shape);
});

describe('the evaluated rounds of a journal', () => {
  const evaluation = (round: number, accuracy: number, { peer = 'model', stage = 'base' } = {}) => ({
    type: 'evaluation',
    term: 1,
    stage,
    evaluation: { peer, epoch: round / 10, round, accuracy, loss: 1, millisecondsPerImage: 1, parameters: 3, agreement: {} },
  });
  const checkpoint = (round: number, stage = 'base') => ({ type: 'checkpoint', term: 1, stage, round, hashes: {} });
  const rollback = (round: number | null) => ({ type: 'rollback', term: 1, stage: 'base', round, committed: 0 });
  const bestIn = async (records: readonly object[], name = { stage: 'base', peer: 'model' }) => {
    const file = join(scratchFolder(), 'journal');
    writeFileSync(file, records.map((record) => writeJournalLine(record)).join(''));
    appendFileSync(file, '{"sum":"12');
    return bestRound(evaluatedRounds(await readJournalFile(file), name));
  };

  test('give the first of the best that were stored', async () => {
    const best = await bestIn([
      ...[evaluation(10, 0.5), checkpoint(10), evaluation(20, 0.8), checkpoint(20), evaluation(30, 0.8), checkpoint(30)],
      ...[evaluation(40, 0.95), evaluation(50, 0.4), checkpoint(50)],
    ]);
    expect(best).toEqual({ round: 20, epoch: 2, accuracy: 0.8 });
  });

  test('are each of its own stage and peer', async () => {
    const records = [
      ...[evaluation(10, 0.5, { peer: 'small' }), evaluation(10, 0.6, { peer: 'big' }), checkpoint(10)],
      ...[evaluation(20, 0.7, { stage: 'other' }), checkpoint(20, 'other')],
    ];
    expect(await bestIn(records, { stage: 'base', peer: 'big' })).toMatchObject({ accuracy: 0.6 });
    expect(await bestIn(records, { stage: 'base', peer: 'model' })).toBeNull();
  });

  test('leave out what a rollback has undone', async () => {
    const records = [evaluation(10, 0.5), checkpoint(10), evaluation(20, 0.8), checkpoint(20)];
    expect(await bestIn([...records, rollback(10)])).toMatchObject({ round: 10 });
    expect(await bestIn([...records, rollback(null)])).toBeNull();
  });

  test('leave out what an older coordinator wrote after a newer one had gone on from before it', async () => {
    const taken = [evaluation(10, 0.5), checkpoint(10), { type: 'term', term: 2 }];
    const late = [evaluation(20, 0.9), checkpoint(20)];
    const next = { ...evaluation(30, 0.6), term: 2 };
    const records = [...taken, ...late, next, { ...checkpoint(30), term: 2 }];
    expect(await bestIn(records)).toMatchObject({ round: 30, accuracy: 0.6 });
    // A late rollback undoes nothing either.
    expect(await bestIn([...records, rollback(null)])).toMatchObject({ round: 30 });
  });
});
