/** A teacher's program: traced, its norms folded, its weights constants of the graph. */

import { beforeAll, expect, test } from 'vitest';
import { openEngine } from '../../src/engines/catalogue.js';
import { buildEagerStep } from '../../src/step/eager-step.js';
import type { TraceNotice } from '../../src/trace/trace-notice.js';
import { buildTracedStep } from '../../src/trace/traced-step.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { CLASSES, catalogueModel, countNativeCalls, INPUT_SHAPE } from '../support/trace-parity.js';
import { noiseBatch } from '../support/training.js';

const imagesOf = (size: number) => noiseBatch(size, { size, inputShape: INPUT_SHAPE, classes: CLASSES }).images;

describeTensorflow('a traced teacher', () => {
  beforeAll(() => openEngine('tensorflow'));

  test('answers as the eager program does, by one native call, and follows new parameters', () => {
    const model = catalogueModel('resnet8');
    const notices: TraceNotice[] = [];
    const options = { model, training: null, inputShape: INPUT_SHAPE };
    const eager = buildEagerStep(options);
    const traced = buildTracedStep({ ...options, precision: 'fp32', onNotice: (notice) => notices.push(notice) });
    for (const scale of [1, 1.1]) {
      // Statistics and shifts as after training: none is 0 or 1.
      const arena = eager.readParameters().map((value, i) => scale * value + 0.05 + 0.01 * (i % 5));
      eager.writeParameters(arena);
      traced.writeParameters(arena);
      for (let repeat = 0; repeat < 2; repeat++) {
        const images = imagesOf(20);
        const expected = eager.predict(images, 20);
        const { result, calls } = countNativeCalls(() => traced.predict(images, 20));
        expect(result.length).toBe(20 * CLASSES);
        result.forEach((logit, i) => {
          expect(Math.abs(logit - expected[i]!)).toBeLessThan(1e-4 * Math.max(1, Math.abs(expected[i]!)));
        });
        if (repeat === 1) expect(calls, JSON.stringify(notices)).toEqual({ runSavedModel: 1 });
      }
      expect(traced.readParameters()).toEqual(arena);
    }
    expect(notices).toEqual([{ call: 'predict', size: 20, traced: true, precision: 'fp32' }]);
    traced.dispose();
    eager.dispose();
    model.dispose();
  });
});
