import { expect, test } from 'vitest';
import { probeEngines } from '../../../src/cli/probe-engines.js';

test('probes in a process of their own, in the order asked for', async () => {
  const probes = await probeEngines(['wasm', 'cpu']);
  expect(probes).toEqual([
    { name: 'wasm', usable: true, note: expect.stringContaining('WebAssembly') },
    { name: 'cpu', usable: true, note: expect.stringContaining('reference') },
  ]);
});

test('an engine that ends its process cannot be used, and the others are probed all the same', async () => {
  const probes = await probeEngines(['wasm', 'tensorflow', 'cpu'], '../test/support/process/crashing-probe.mjs');
  expect(probes).toEqual([
    { name: 'wasm', usable: true, note: 'fine' },
    { name: 'tensorflow', usable: false, note: expect.stringMatching(/^the engine tensorflow ended: signal SIGILL: .*instruction/) },
    { name: 'cpu', usable: true, note: 'fine' },
  ]);
});
