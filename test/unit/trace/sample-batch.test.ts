/** The made-up batch with which a cut step is recorded and proven before its real answers are known. */

import { expect, test } from 'vitest';
import { joinTerms } from '../../../src/losses/stage-loss.js';
import { sampleBatch } from '../../../src/trace/step-recording.js';
import { distilStage } from '../../support/training.js';

test('no two rows of its knowledge are alike, whatever their width', () => {
  const gathered = { student: [[7], [2, 7, 7]], other: [[14]] };
  const loss = joinTerms({ weight: 1, smoothing: 0 }, []);
  const training = { stage: distilStage(), loss, otherShapes: [[7], [1]], gatheredShapes: gathered, seed: 1 };
  const images = new Float32Array(16);
  const { other, rest } = sampleBatch({ classes: 10, training }, { images, size: 16, place: { before: 3, others: 20 } });
  for (const { shape, data } of [...other, ...rest!.student, ...rest!.other]) {
    const width = data.length / shape[0]!;
    const rows = Array.from({ length: shape[0]! }, (_, i) => String(data.subarray(i * width, (i + 1) * width)));
    expect(new Set(rows).size, `shape ${shape}`).toBe(rows.length);
    expect(Math.max(...data.map(Math.abs))).toBeLessThanOrEqual(3);
  }
});
