import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test, vi } from 'vitest';
import { ENGINE_NAMES } from '../../../src/config/schema.js';
import { openEngine, probeEngine } from '../../../src/engines/catalogue.js';
import { StillhouseError } from '../../../src/errors/stillhouse-error.js';
import type { EngineProbe } from '../../../src/system/engine-probe.js';

/** In the order of preference. */
async function probeAll(): Promise<readonly EngineProbe[]> {
  const probes: EngineProbe[] = [];
  for (const name of ENGINE_NAMES) probes.push(await probeEngine(name));
  return probes;
}

describe('the catalogue of engines', () => {
  test('probes say something of each, and leave the current backend alone', async () => {
    await openEngine('cpu');
    const probes = await probeAll();
    expect(probes.map(({ name }) => name)).toEqual(ENGINE_NAMES);
    for (const { note } of probes) expect(note).not.toBe('');
    expect(probes.find(({ name }) => name === 'wasm')?.usable).toBe(true);
    expect(probes.find(({ name }) => name === 'cpu')?.usable).toBe(true);
    expect(tf.getBackend()).toBe('cpu');
  });

  test('auto opens the first usable engine and its note names every engine passed over', async () => {
    const probes = await probeAll();
    const first = probes.findIndex(({ usable }) => usable);
    const opened = await openEngine('auto');
    expect(opened.name).toBe(probes[first]?.name);
    expect(tf.getBackend()).toBe(opened.name);
    for (const passedOver of probes.slice(0, first)) {
      expect(opened.note).toContain(`not ${passedOver.name}: ${passedOver.note}`);
    }
  });

  test('opening an open engine again keeps its backend and its tensors', async () => {
    await openEngine('wasm');
    const backend = tf.backend();
    const kept = tf.tensor1d([1, 2, 3]);
    await openEngine('wasm');
    expect(tf.backend()).toBe(backend);
    expect([...kept.dataSync()]).toEqual([1, 2, 3]);
    kept.dispose();
  });

  test('an engine that cannot be used is refused with why and what to do', async () => {
    vi.stubEnv('STILLHOUSE_CACHE', '/no/such/folder');
    const refusal = await openEngine('tensorflow').catch((error: unknown) => error);
    vi.unstubAllEnvs();
    expect(refusal).toBeInstanceOf(StillhouseError);
    expect(refusal).toMatchObject({ code: 'engine.unusable', message: expect.stringContaining('stillhouse engine install tensorflow') });
  });

  test('nothing is written to the console', async () => {
    const spies = (['log', 'warn', 'error', 'info'] as const).map((level) => vi.spyOn(console, level));
    for (const name of ['cpu', 'wasm', 'cpu'] as const) {
      await openEngine(name);
      tf.tidy(() => tf.matMul(tf.ones([2, 2]), tf.ones([2, 2])).dataSync());
    }
    for (const spy of spies) expect(spy).not.toHaveBeenCalled();
  });
});
