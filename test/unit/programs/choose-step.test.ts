import { beforeAll, expect, test } from 'vitest';
import type { EngineName, EngineRecipe } from '../../../src/config/schema.js';
import { openEngine } from '../../../src/engines/catalogue.js';
import { buildStep, type StepNotice } from '../../../src/programs/choose-step.js';
import { engineEnvironment } from '../../../src/system/engine-environment.js';
import { describeProcessor } from '../../../src/system/processor.js';
import { describeTensorflow } from '../../support/tensorflow-engine.js';
import { knobsOf, linearModel, noiseBatch, normModel, trainingOf, trainStage } from '../../support/training.js';

// As in a process that computes, and before anything is loaded.
Object.assign(process.env, engineEnvironment({ threads: 1, processor: describeProcessor(), inherited: process.env }));

const inputShape = [4, 4, 2] as const;
const classes = 3;

/** The description of a program that takes one step. */
function noticesOf(engine: EngineName, wanted: EngineRecipe): readonly StepNotice[] {
  const notices: StepNotice[] = [];
  const model = normModel(inputShape, classes, 1);
  try {
    const program = buildStep({
      engine,
      wanted,
      model,
      training: trainingOf(trainStage(), classes),
      inputShape,
      onNotice: (notice) => notices.push(notice),
    });
    program.step(noiseBatch(1, { size: 8, inputShape, classes }), knobsOf({ rate: 0.1 }));
    program.dispose();
  } finally {
    model.dispose();
  }
  return notices;
}

test.each(['auto', 'off'] as const)('without graphs steps run op by op, whatever is asked for (trace %s)', async (trace) => {
  await openEngine('cpu');
  expect(noticesOf('cpu', { trace, precision: 'fp32' })).toEqual([{ traced: false, precision: 'fp32' }]);
});

test('what cannot compute in bf16 refuses to', () => {
  expect(() => noticesOf('wasm', { trace: 'auto', precision: 'bf16' })).toThrow(/the engine wasm computes in fp32 only/);
});

describeTensorflow('on tensorflow', () => {
  beforeAll(async () => {
    await openEngine('tensorflow');
  });

  test.each(['fp32', 'bf16'] as const)('steps run as graphs in %s', (precision) => {
    expect(noticesOf('tensorflow', { trace: 'auto', precision })).toEqual([{ call: 'step', size: 8, traced: true, precision }]);
  });

  test('a teacher answers by a graph from its first batch on', () => {
    const notices: StepNotice[] = [];
    const model = linearModel(inputShape, classes);
    const wanted = { trace: 'auto', precision: 'fp32' } as const;
    const program = buildStep({
      engine: 'tensorflow',
      wanted,
      model,
      training: null,
      inputShape,
      onNotice: (notice) => notices.push(notice),
    });
    program.writeParameters(program.readParameters());
    program.predict(noiseBatch(1, { size: 8, inputShape, classes }).images, 8);
    expect(notices).toEqual([{ call: 'predict', size: 8, traced: true, precision: 'fp32' }]);
    program.dispose();
    model.dispose();
  });

  test('or op by op, where that is asked for', () => {
    expect(noticesOf('tensorflow', { trace: 'off', precision: 'fp32' })).toEqual([{ traced: false, precision: 'fp32' }]);
  });
});
