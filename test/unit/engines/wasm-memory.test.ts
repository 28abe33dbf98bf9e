/** The guard of the WebAssembly memory, on the real module, in a process in which no WebAssembly memory grows beyond 64 MiB. */

import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { present } from '../../../src/base/assert.js';
import { openEngine } from '../../../src/engines/catalogue.js';
import type { EngineMemory } from '../../../src/engines/engine.js';
import { MemoryFull } from '../../../src/engines/out-of-memory.js';
import { limitWasmMemory } from '../../support/small-wasm-memory.js';

const MIB = 2 ** 20;
let memory: EngineMemory;

beforeAll(async () => {
  await limitWasmMemory(64 * MIB);
  memory = present((await openEngine('wasm')).memory, 'the memory of wasm');
});

test('a refused allocation throws, nothing is overwritten, and the module goes on', () => {
  const kept = tf.range(0, 1000);
  const before = tf.memory().numTensors;
  expect(memory.isOwnLimit).toBe(true);
  expect(() => tf.tidy(() => tf.zeros([100 * MIB]))).toThrow(MemoryFull);
  expect(() => tf.tidy(() => Array.from({ length: 20 }, () => tf.add(tf.zeros([MIB]), 1)))).toThrow(MemoryFull);
  expect(memory.isOwnLimit).toBe(false);
  expect(memory.limitBytes).toBeLessThanOrEqual(64 * MIB);
  expect(tf.memory().numTensors).toBe(before);
  expect([...kept.dataSync()]).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  expect(tf.tidy(() => tf.sum(tf.matMul(tf.ones([64, 64]), tf.ones([64, 64]))).dataSync()[0])).toBe(64 ** 3);
  kept.dispose();
});

test('the peak is that of the bytes in use at one time', () => {
  const held = tf.zeros([MIB / 4]);
  const peak = memory.peakOf(() => {
    for (let i = 0; i < 5; i++) tf.tidy(() => void tf.zeros([MIB / 2]));
  });
  expect(peak).toBeGreaterThanOrEqual(3 * MIB);
  expect(peak).toBeLessThan(3.1 * MIB);
  held.dispose();
});
