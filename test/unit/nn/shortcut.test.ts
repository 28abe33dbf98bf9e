import * as tf from '@tensorflow/tfjs-core';
import { model as makeModel } from '@tensorflow/tfjs-layers';
import { beforeAll, expect, test } from 'vitest';
import { openEngine } from '../../../src/engines/catalogue.js';
import { buildModel } from '../../../src/nn/build.js';

beforeAll(async () => {
  await openEngine('cpu');
});

test('shortcut A takes every second pixel and puts the old channels between two equal parts of zeros', async () => {
  const resnet = await buildModel({ name: 'resnet8', options: {} }, { inputShape: [4, 6, 3], classes: 2, seed: 1 });
  const from = resnet.getLayer('stage1.block1.relu2').output as ReturnType<typeof resnet.getLayer>['output'] & object;
  const to = resnet.getLayer('stage2.block1.widen').output;
  const both = makeModel({ inputs: resnet.inputs, outputs: [from, to].flat() });
  const image = tf.randomNormal([2, 4, 6, 3], 0, 1, 'float32', 4);
  const [before, after] = tf.tidy(() => (both.predict(image) as tf.Tensor4D[]).map((tensor) => tensor.arraySync())) as [
    number[][][][],
    number[][][][],
  ];
  expect([after.length, after[0]?.length, after[0]?.[0]?.length]).toEqual([2, 2, 3]);
  after.forEach((rows, n) => {
    rows.forEach((pixels, y) => {
      pixels.forEach((channels, x) => {
        const zeros = Array.from({ length: 8 }, () => 0);
        expect(channels).toEqual([...zeros, ...before[n]![2 * y]![2 * x]!, ...zeros]);
      });
    });
  });
  tf.dispose(image);
  resnet.dispose();
});

test('a convolution of stride 2 sees the pixels that the shortcut takes in its middle', async () => {
  const student = await buildModel({ name: 'cnn-student', options: {} }, { inputShape: [8, 8, 1], classes: 2, seed: 1 });
  const layer = student.getLayer('conv1');
  const centre = Array.from({ length: 9 * 4 }, (_, i) => (Math.floor(i / 4) === 4 ? 1 : 0));
  tf.tidy(() => layer.setWeights([tf.tensor4d(centre, [3, 3, 1, 4]), tf.zeros([4])]));
  const first = makeModel({ inputs: student.inputs, outputs: layer.output });
  const pixels = Array.from({ length: 64 }, (_, i) => i);
  const seen = tf.tidy(() => (first.predict(tf.tensor4d(pixels, [1, 8, 8, 1])) as tf.Tensor4D).arraySync());
  expect(seen[0]?.map((row) => row.map((channels) => channels[0]))).toEqual([0, 2, 4, 6].map((y) => [0, 2, 4, 6].map((x) => 8 * y + x)));
  student.dispose();
});
