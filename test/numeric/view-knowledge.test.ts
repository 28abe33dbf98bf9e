/** Knowledge about views that share a batch of a teacher: each is that of the view alone, also where a tensor is about the view as a whole. */

import { beforeAll, expect, test } from 'vitest';
import { openEngine } from '../../src/engines/catalogue.js';
import { batchKnowledge, viewKnowledge } from '../../src/step/batch-knowledge.js';
import { buildEagerStep } from '../../src/step/eager-step.js';
import type { StepProgram } from '../../src/step/step-program.js';
import type { Knowledge, KnowledgeSpec } from '../../src/tensor/knowledge.js';
import { buildTracedStep } from '../../src/trace/traced-step.js';
import { describeEachEngine } from '../support/each-engine.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { noiseBatch, normModel } from '../support/training.js';

const SHAPE = { inputShape: [6, 6, 3], classes: 5 } as const;
const SPECS: readonly KnowledgeSpec[] = [
  { of: 'similarity', layer: 'relu' },
  { of: 'logits' },
  { of: 'tap', layer: 'relu', reduce: null },
  { of: 'input-gradient' },
  { of: 'similarity', layer: 'logits' },
];
const [ALIKE, , FEATURES, , ALIKE_LOGITS] = [0, 1, 2, 3, 4] as const;

/** A batch of these views, and each of them by itself. */
function batchOf(views: readonly number[]) {
  const size = views.reduce((sum, count) => sum + count, 0);
  const { images, labels } = noiseBatch(3, { ...SHAPE, size });
  const pixels = images.length / size;
  let row = 0;
  const alone = views.map((count) => {
    const [from, to] = [row, row + count];
    row = to;
    return { images: images.slice(from * pixels, to * pixels), labels: labels.classes.slice(from, to) };
  });
  return { batch: { images, labels: labels.classes, views }, alone };
}

/** F F^T of the features of each sample, with rows of length 1, in float64. */
function similarities({ shape: [size = 0], data }: Knowledge[number]): number[] {
  const each = data.length / size;
  const features = Array.from({ length: size }, (_, b) => [...data.slice(b * each, (b + 1) * each)]);
  return features.flatMap((a) => {
    const row = features.map((b) => a.reduce((sum, value, n) => sum + value * b[n]!, 0));
    return row.map((value) => value / Math.hypot(...row));
  });
}

function expectClose(found: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(found.length).toBe(expected.length);
  const worst = Array.from(found).reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
  expect(worst).toBeLessThan(1e-5);
}

function expectViewsAlone(program: StepProgram, views: readonly number[]): void {
  const { batch, alone } = batchOf(views);
  const found = viewKnowledge(program, batch, SPECS);
  expect(found.map((knowledge) => knowledge[ALIKE]?.shape)).toEqual(views.map((count) => [count, count]));
  for (const [i, one] of alone.entries()) {
    const expected = batchKnowledge(program, one, SPECS);
    expect(found[i]!.map(({ shape }) => shape)).toEqual(expected.map(({ shape }) => shape));
    for (const [place, { data }] of expected.entries()) expectClose(found[i]![place]!.data, data);
    expectClose(found[i]![ALIKE]!.data, similarities(found[i]![FEATURES]!));
    expectClose(found[i]![ALIKE_LOGITS]!.data, similarities(found[i]![1]!));
  }
}

function withModel(use: (model: ReturnType<typeof normModel>) => StepProgram, run: (program: StepProgram) => void): void {
  const model = normModel(SHAPE.inputShape, SHAPE.classes, 1);
  const program = use(model);
  run(program);
  program.dispose();
  model.dispose();
}

describeEachEngine(() => {
  const eager = (model: ReturnType<typeof normModel>) => buildEagerStep({ model, training: null, inputShape: SHAPE.inputShape });

  test('each view of a batch has its own knowledge, in the order of the specs', () => {
    withModel(eager, (program) => expectViewsAlone(program, [3, 5, 1]));
  });

  test('features of zeros are like nothing; features that are no numbers give similarities that are none', () => {
    withModel(eager, (program) => {
      const logits: readonly KnowledgeSpec[] = [{ of: 'similarity', layer: 'logits' }];
      const { alone } = batchOf([3]);
      const start = program.readParameters();
      const dataOf = (factor: number) => {
        program.writeParameters(start.map((value) => factor * value));
        return [...batchKnowledge(program, alone[0]!, logits)[0]!.data];
      };
      expect(dataOf(0)).toEqual(Array.from({ length: 9 }, () => 0));
      expect(dataOf(Number.NaN).some((value) => Number.isFinite(value))).toBe(false);
    });
  });
});

describeTensorflow('as graphs', () => {
  beforeAll(() => openEngine('tensorflow'));

  test('a batch that is padded: the similarities are those of the views', () => {
    const traced = (model: ReturnType<typeof normModel>) =>
      buildTracedStep({ model, training: null, inputShape: SHAPE.inputShape, precision: 'fp32', onNotice: () => {} });
    // The third batch of a size is a graph; 33 rows are padded to 36.
    withModel(traced, (program) => {
      for (let repeat = 0; repeat < 4; repeat++) expectViewsAlone(program, [20, 13]);
    });
  });
});
