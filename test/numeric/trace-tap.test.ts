/** Steps and answers with taps, as graphs: those of the eager program to the bit. With oneDNN off, as in trace-exact.test.ts. */

import { beforeAll, expect, test } from 'vitest';
import { openEngine } from '../../src/engines/catalogue.js';
import { buildEagerStep } from '../../src/step/eager-step.js';
import { LOGITS_SPEC, type OutputSpec } from '../../src/tensor/knowledge.js';
import type { TraceNotice } from '../../src/trace/trace-notice.js';
import { buildTracedStep } from '../../src/trace/traced-step.js';
import { mixedCall, TAPPED, tappedCalls, tappedModel, tappedTraining } from '../support/tapped-training.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { countNativeCalls, OPTIMIZERS, openPair } from '../support/trace-parity.js';

// Read by libtensorflow when it is loaded, which is in this file's own process.
process.env.TF_ENABLE_ONEDNN_OPTS = '0';

const { inputShape } = TAPPED;
const MAPS = { name: 'attention', options: { p: 2, height: 2, width: 3 } };
const ONE_CALL = { runSavedModel: 1 };

async function openTapped(optimizer = OPTIMIZERS['adam with weight decay on all']!) {
  const training = await tappedTraining(optimizer);
  const pair = openPair({ build: () => tappedModel(), stage: training.stage, training, inputShape });
  return { ...pair, training };
}

describeTensorflow('taps, traced', () => {
  beforeAll(() => openEngine('tensorflow'));

  test('whole steps: the eager ones to the bit, each one call', async () => {
    const { eager, traced, notices, training, dispose } = await openTapped();
    tappedCalls(training, [8, 8, 8, 8]).forEach(({ batch, knobs }, t) => {
      const { result, calls } = countNativeCalls(() => traced.step(batch, knobs));
      expect(result).toEqual(eager.step(batch, knobs));
      if (t > 0) expect(calls).toEqual(ONE_CALL);
    });
    expect(notices).toEqual([{ call: 'step', size: 8, traced: true, precision: 'fp32' }]);
    expect(traced.readParameters()).toEqual(eager.readParameters());
    dispose();
  });

  test('cut steps: both halves, with mixed labels and without, on one graph that is made before any labels are known', async () => {
    const { eager, traced, notices, training, dispose } = await openTapped();
    const calls = tappedCalls(training, [8, 8, 8, 8]).map((call, t) => (t % 2 === 0 ? call : mixedCall(call, 0.3)));
    for (const { batch, knobs } of calls) {
      const expected = eager.forward(batch.images, 8);
      expect(traced.forward(batch.images, 8)).toEqual(expected);
      expect(traced.backward(batch, knobs)).toEqual(eager.backward(batch, knobs));
    }
    expect(notices).toEqual([{ call: 'cut step', size: 8, traced: true, precision: 'fp32' }]);
    expect(traced.readParameters()).toEqual(eager.readParameters());
    expect(traced.readSlots()).toEqual(eager.readSlots());
    dispose();
  });

  test('whole steps of mixed labels have a graph of their own', async () => {
    const { eager, traced, notices, training, dispose } = await openTapped();
    const [first, ...rest] = tappedCalls(training, [8, 8, 8]);
    for (const { batch, knobs } of [first!, ...rest.map((call) => mixedCall(call, 0.3)), first!]) {
      expect(traced.step(batch, knobs)).toEqual(eager.step(batch, knobs));
    }
    expect(notices.map(({ call, traced: isTraced }) => [call, isTraced])).toEqual([
      ['step', true],
      ['step', true],
    ]);
    dispose();
  });

  test('a program that trains answers what it is asked, in inference mode, where its state is in a session and while a half is open', async () => {
    const { eager, traced, training, dispose } = await openTapped();
    const specs: OutputSpec[] = [{ of: 'tap', layer: 'norm', reduce: null }, LOGITS_SPEC];
    const [{ batch, knobs }] = tappedCalls(training, [8]) as [ReturnType<typeof tappedCalls>[number]];
    const answers = () => [traced, eager].map((program) => program.answer(batch.images, 8, specs));
    for (const program of [eager, traced]) program.step(batch, knobs);
    const [ofTraced, ofEager] = answers();
    expect(ofTraced).toEqual(ofEager);
    expect(ofTraced?.map(({ shape }) => shape)).toEqual([
      [8, 6, 6, 4],
      [8, 5],
    ]);
    for (const program of [eager, traced]) program.forward(batch.images, 8);
    expect(answers()[0]).toEqual(answers()[1]);
    expect(traced.backward(batch, knobs)).toEqual(eager.backward(batch, knobs));
    expect(traced.readParameters()).toEqual(eager.readParameters());
    dispose();
  });

  test('a teacher: each list of specs has a graph for each class of sizes; folded norms stay right', () => {
    const model = tappedModel();
    const notices: TraceNotice[] = [];
    const traced = buildTracedStep({ model, training: null, inputShape, precision: 'fp32', onNotice: (notice) => notices.push(notice) });
    const eager = buildEagerStep({ model, training: null, inputShape });
    const plain = buildEagerStep({ model, training: null, inputShape });
    const specs: OutputSpec[] = [
      { of: 'tap', layer: 'norm', reduce: null },
      { of: 'tap', layer: 'relu', reduce: MAPS },
    ];
    const lists = [specs, [LOGITS_SPEC], specs.toReversed(), [...specs, { of: 'tap', layer: 'conv', reduce: null } as const]];
    for (const factor of [1, 1.25]) {
      const parameters = plain.readParameters().map((value, i) => factor * value + 0.01 * (i % 3));
      for (const program of [traced, eager]) program.writeParameters(parameters);
      for (const list of lists) {
        const images = Float32Array.from({ length: 17 * 108 }, (_, i) => Math.sin(i * factor));
        const { result, calls } = countNativeCalls(() => [traced.answer(images, 17, list), traced.answer(images, 17, list)]);
        expect(calls.runSavedModel).toBeGreaterThan(1);
        // The graph has a batch of 18, which may round otherwise than one of 17.
        for (const [i, { shape, data }] of eager.answer(images, 17, list).entries()) {
          expect(result[0]?.[i]?.shape).toEqual(shape);
          data.forEach((value, at) => void expect(result[1]?.[i]?.data[at]).toBeCloseTo(value, 5));
        }
      }
    }
    expect(notices.map(({ call, size, traced: isTraced }) => [call, size, isTraced])).toEqual(lists.map(() => ['predict', 18, true]));
    expect(() => traced.answer(new Float32Array(108), 1, [{ of: 'tap', layer: 'rely', reduce: null }])).toThrow('did you mean "relu"?');
    for (const one of [traced, eager, plain, model]) one.dispose();
  });
});
