/**
 * Opens the engine that its argument names, convolves for a while, and tells its parent what processor time
 * that took: of the whole process, and of each of its threads.
 */

import { readdirSync, readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { openEngine } from '../../../dist/src/engines/catalogue.js';
import { linkToParent } from '../../../dist/src/process/parent-link.js';

/** Of processor time, so that it is long enough where others want the processor too. */
const COMPUTE_MS = 600;

const link = linkToParent();
await openEngine(process.argv[2]);
const images = tf.ones([32, 16, 16, 64]);
const filter = tf.ones([3, 3, 64, 64]);
const convolve = () => tf.tidy(() => tf.sum(tf.conv2d(images, filter, 1, 'same')).dataSync());
// What is made once, threads included.
for (let i = 0; i < 5; i++) convolve();

const threadsBefore = threadTimes();
const before = process.cpuUsage();
const startMs = performance.now();
let cpuMs = 0;
while (cpuMs < COMPUTE_MS) {
  convolve();
  const { user, system } = process.cpuUsage(before);
  cpuMs = (user + system) / 1000;
}
const wallMs = performance.now() - startMs;
const shares = threadTimes().map(([id, ticks]) => ticks - (threadsBefore.find(([other]) => other === id)?.[1] ?? 0));
link.send({ type: 'computed', cores: cpuMs / wallMs, shares });
await link.sent();

/** Processor time of each thread so far, in ticks of the kernel, with the thread's id. */
function threadTimes() {
  return readdirSync('/proc/self/task').map((id) => {
    const fields = readFileSync(`/proc/self/task/${id}/stat`, 'utf8').split(') ')[1].split(' ');
    return [id, Number(fields[11]) + Number(fields[12])];
  });
}
