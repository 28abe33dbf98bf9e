import { expect, test } from 'vitest';
import { describeNeed, type MemoryNeed } from '../../../worker/kit/memory-need.js';

const training: MemoryNeed = {
  task: 'train',
  peer: { stage: 's', peer: 'model' },
  model: 'net',
  size: 4096,
  others: 0,
  engine: 'wasm',
  limitBytes: 2 ** 32 - 2 ** 16,
  isOwnLimit: true,
};

test('a training step: stage, images, model, memory, the largest batch, and what next', () => {
  expect(describeNeed(training, 3584)).toBe(
    's: a training step of 4,096 images with the model net needs more memory than there is (the engine wasm has 4.0 GiB, the most that WebAssembly can have). ' +
      'The largest batch that fits is about 3,584 (tried). ' +
      'Begin a new run with a smaller batch (stages.s.batch), which more students (workers.students) make up for, or take an engine that can have more memory (workers.engine: tensorflow)',
  );
});

test('where other work shares the machine, fewer workers are advised, and more students only elsewhere', () => {
  const text = describeNeed({ ...training, peer: { stage: 's', peer: 'big' }, isOwnLimit: false, limitBytes: 900 * 2 ** 20 }, 100);
  expect(text).toMatch(/^s\.big: .*\(the engine wasm got no more than 900 MiB\)/);
  expect(text).toMatch(/The largest batch that fits safely is about 80 \(100 was tried\)\. /);
  expect(text).toMatch(/more students \(workers\.students\) make up for on other machines, or give it more memory: fewer workers/);
});

test.each<[Partial<MemoryNeed>, number | null, RegExp]>([
  [
    { others: 8192 },
    64,
    /of 4,096 images, gathered with 8,192 of other students, with the model net needs .*Begin a new run with a smaller batch \(stages\.s\.batch\), or take/,
  ],
  [{ size: 1 }, 0, /a training step of one image .*\. Not even one image fits\. Begin/],
  [{ limitBytes: null }, null, /more memory than there is\. Begin a new run/],
  [{ task: 'answer' }, 64, /an answer about 4,096 images by the model net, which teaches, needs .*The largest batch of the model net/],
  [{ task: 'test', size: 1 }, 0, /a test of one image with the model net .*\. To mend it, take an engine/],
])('%o', (changes, largest, words) => {
  expect(describeNeed({ ...training, ...changes }, largest)).toMatch(words);
});
