/** A student that trains on images mixed of two, and its teacher: both see the definition's pixels, and the student learns by both classes. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import { assembleBatch, type BatchView } from '../../../src/data/batch.js';
import { loadSplit } from '../../../src/data/dataset.js';
import { mixedLabels } from '../../../src/data/mix.js';
import type { SampleSource } from '../../../src/data/sample-source.js';
import { openDescribedModel } from '../../../src/nn/model-topology.js';
import { batchKnowledge } from '../../../src/step/batch-knowledge.js';
import { buildEagerStep } from '../../../src/step/eager-step.js';
import { LOGITS_SPEC } from '../../../src/tensor/knowledge.js';
import { planBatches } from '../../../worker/student/batch-plan.js';
import { EngineRoom, PATIENT_MS, stateOf, TERM } from './engine-room.js';

const BATCH = 8;
const AUGMENT = { cropPadding: 1, flip: true, mixUp: 0.5, cutMix: 1 };
const STAGE = { on: 'train', test: 'test', epochs: 2, every: 2, batch: BATCH, optimizer: { name: 'sgd', rate: 0.01 }, augment: AUGMENT };

let room: EngineRoom;
beforeEach(async () => {
  room = await new EngineRoom().open({
    alone: { ...STAGE, kind: 'train', model: 'small' },
    taught: { ...STAGE, kind: 'distil', model: 'small', teacher: 'alone', loss: {} },
  });
});
afterEach(() => room.close());

const ALONE = stateOf(1, 'alone');

function viewOf(epoch: number): BatchView {
  return { seed: room.recipe.seed, epoch, augment: AUGMENT, normalise: room.recipe.data.normalise };
}

/** The logits that the stored model has of these samples' views, [B, 10]. */
async function logitsOf(split: SampleSource, epoch: number, samples: Int32Array): Promise<Float32Array> {
  const { topology, tensors } = await room.store.get(ALONE);
  const model = await openDescribedModel({ topology, parameters: tensors.get('parameters') as Float32Array, file: room.folder });
  const program = buildEagerStep({ model, training: null, inputShape: [split.height, split.width, split.channels] });
  const out = { images: new Float32Array(samples.length * split.height * split.width), labels: new Int32Array(samples.length) };
  assembleBatch({ store: split.store, view: viewOf(epoch), samples, out });
  const [logits] = batchKnowledge(program, out, [LOGITS_SPEC]);
  program.dispose();
  model.dispose();
  return logits!.data;
}

/** The sum of -share log p(first) - (1 - share) log p(second). */
function crossEntropy(logits: Float32Array, split: SampleSource, samples: Int32Array): number {
  const mixed = mixedLabels(split.store, viewOf(0), samples)!;
  return [...samples].reduce((sum, sample, i) => {
    const row = [...logits.subarray(10 * i, 10 * i + 10)];
    const logSum = Math.log(row.reduce((total, logit) => total + Math.exp(logit), 0));
    const [share, first, second] = [mixed.share[i]!, row[split.label(sample)]!, row[mixed.second[i]!]!];
    return sum + logSum - share * first - (1 - share) * second;
  }, 0);
}

test('the loss is that of both classes on the mixed pixels, and the teacher answers about the same pixels', async () => {
  const split = await loadSplit(room.recipe.data, 'train');
  const student = await room.engine('student', 1);
  student.train(1, 0, BATCH, { stage: 'alone' });
  const { samples } = await student.next('worker.trained');
  const base = student.commit(ALONE, samples);
  student.order({ type: 'coordinator.save', state: ALONE });
  const { info } = await room.stored(ALONE);
  student.train(2, BATCH, 2 * BATCH, { stage: 'alone', base });
  const trained = await student.next('worker.trained');

  const [step] = planBatches({ ranges: [{ start: BATCH, end: 2 * BATCH }], size: split.count, batch: BATCH, seed: room.recipe.seed });
  const logits = await logitsOf(split, 0, step!.samples);
  expect(trained.lossSum).toBeCloseTo(crossEntropy(logits, split, step!.samples), 3);

  const teacher = await room.engine('teacher', 9);
  teacher.order({ type: 'coordinator.serve', stage: 'taught', from: ALONE, hash: info.hash });
  await teacher.next('worker.serving');
  const client = await room.client(teacher);
  const about = { of: 'view', epoch: 0 } as const;
  const tensor = { name: 'samples', dtype: 'int32', shape: [BATCH], data: step!.samples } as const;
  const answer = await client.request(
    { type: 'knowledge.get', term: TERM, stage: 'taught', about, specs: [LOGITS_SPEC], half: false },
    [tensor],
    PATIENT_MS,
  );
  expect(answer.tensors[0]?.data).toEqual(logits);
});
