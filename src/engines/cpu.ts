/** The engine `cpu`: tfjs's plain JavaScript. It is slow, works everywhere, and is the reference for the other engines. */

import * as tf from '@tensorflow/tfjs-core';
import type { Engine } from './engine.js';

export const cpuEngine: Engine<'cpu'> = {
  name: 'cpu',
  isMultithreaded: false,
  async probe() {
    return { name: 'cpu', usable: true, note: 'plain JavaScript, one thread: the reference for tests, slow' };
  },
  async open() {
    await import('@tensorflow/tfjs-backend-cpu');
    await tf.setBackend('cpu');
  },
};
