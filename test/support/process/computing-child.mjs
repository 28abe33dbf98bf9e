/**
 * Opens the engine that its first argument names, computes for a while (the second: 'ops' one by one, or a whole step as
 * a 'graph'), and tells its parent what processor time that took: of the whole process, and of each of its threads.
 */

import { readdirSync, readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { openEngine } from '../../../dist/src/engines/catalogue.js';
import { buildModel } from '../../../dist/src/nn/build.js';
import { linkToParent } from '../../../dist/src/process/parent-link.js';
import { buildStep } from '../../../dist/src/programs/choose-step.js';
import { loadTraining } from '../../../dist/src/step/load-training.js';

/** Of processor time, so that it is long enough where others want the processor too. */
const COMPUTE_MS = 600;

const link = linkToParent();
await openEngine(process.argv[2]);
const compute = process.argv[3] === 'graph' ? await graphStep() : convolution();
// What is made once, threads included.
for (let i = 0; i < 5; i++) compute();

const threadsBefore = threadTimes();
const before = process.cpuUsage();
const startMs = performance.now();
let cpuMs = 0;
while (cpuMs < COMPUTE_MS) {
  compute();
  const { user, system } = process.cpuUsage(before);
  cpuMs = (user + system) / 1000;
}
const wallMs = performance.now() - startMs;
const shares = threadTimes().map(([id, ticks]) => ticks - (threadsBefore.find(([other]) => other === id)?.[1] ?? 0));
link.send({ type: 'computed', cores: cpuMs / wallMs, shares });
await link.sent();

function convolution() {
  const images = tf.ones([32, 16, 16, 64]);
  const filter = tf.ones([3, 3, 64, 64]);
  return () => tf.tidy(() => tf.sum(tf.conv2d(images, filter, 1, 'same')).dataSync());
}

async function graphStep() {
  const [inputShape, size] = [[16, 16, 3], 64];
  const model = await buildModel({ name: 'cnn', options: { channels: '32,64', hidden: 64 } }, { inputShape, classes: 10, seed: 1 });
  const notices = [];
  const optimizer = { name: 'sgd', rate: 0.01, momentum: 0.9, weightDecay: 0 };
  const stage = { kind: 'train', optimizer, loss: { labelSmoothing: 0 }, epochs: 1 };
  const training = await loadTraining(stage, { model, seed: 1 });
  const wanted = { trace: 'auto', precision: 'fp32' };
  const program = buildStep({ engine: 'tensorflow', wanted, model, training, inputShape, onNotice: (notice) => notices.push(notice) });
  const labels = { classes: Int32Array.from({ length: size }, (_, i) => i % 10), mixed: null };
  const batch = { size, images: Float32Array.from({ length: size * 768 }, (_, i) => Math.sin(i)), labels, other: [] };
  const step = () => program.step(batch, { rate: 0.01, loss: { 'labels.weight': 1 } });
  step();
  if (notices[0]?.traced !== true) throw new Error(`the step is not traced: ${JSON.stringify(notices)}`);
  return step;
}

/** Processor time of each thread so far, in ticks of the kernel, with the thread's id. */
function threadTimes() {
  return readdirSync('/proc/self/task').map((id) => {
    const fields = readFileSync(`/proc/self/task/${id}/stat`, 'utf8').split(') ')[1].split(' ');
    return [id, Number(fields[11]) + Number(fields[12])];
  });
}
