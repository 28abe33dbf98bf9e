/** Hostile manifests: each is damage with a name, none is believed. */

import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { asTerm } from '../../../src/base/ids.js';
import { type Manifest, readManifest, writeManifest } from '../../../src/checkpoint/manifest.js';

const HASH = 'ab'.repeat(32);
const manifest: Manifest = {
  format: 4,
  state: { stage: 'base', peer: 'model', round: 3 },
  term: asTerm(2),
  ranges: [{ start: 0, end: 9 }],
  hash: HASH,
  schema: HASH,
  tensors: [
    { name: 'parameters', dtype: 'float32', shape: [4], file: 'parameters.bin', bytes: 16, sha256: HASH },
    { name: 'slots', dtype: 'float32', shape: [0], file: 'slots.bin', bytes: 0, sha256: HASH },
  ],
};

/** A manifest file whose own hash is right, whatever it says. */
function sealed(content: unknown): string {
  return JSON.stringify({ manifest: content, sha256: createHash('sha256').update(JSON.stringify(content)).digest('hex') });
}

const [parameters, slots] = manifest.tensors;
const adapters = { ...parameters, name: 'adapters', file: 'adapters.bin' };

describe('readManifest', () => {
  test('reads what was written, with further tensors too', () => {
    expect(readManifest(writeManifest(manifest), 'm')).toEqual(manifest);
    const more = { ...manifest, tensors: [parameters, slots, adapters] as Manifest['tensors'] };
    expect(readManifest(writeManifest(more), 'm')).toEqual(more);
  });

  test.each([
    ['nothing', ''],
    ['no JSON', '{"manifest":'],
    ['no object', '[]'],
    ['no hash', JSON.stringify({ manifest })],
    ['a foreign hash', JSON.stringify({ manifest, sha256: HASH })],
    ['another format', sealed({ ...manifest, format: 2 })],
    ['an unknown key', sealed({ ...manifest, extra: 1 })],
    ['a path for a stage', sealed({ ...manifest, state: { ...manifest.state, stage: '../base' } })],
    ['a dot in a stage', sealed({ ...manifest, state: { ...manifest.state, stage: 'base.x' } })],
    ['a path for a peer', sealed({ ...manifest, state: { ...manifest.state, peer: '..' } })],
    ['term 0', sealed({ ...manifest, term: 0 })],
    ['a negative round', sealed({ ...manifest, state: { ...manifest.state, round: -1 } })],
    ['a fractional round', sealed({ ...manifest, state: { ...manifest.state, round: 1.5 } })],
    ['an empty range', sealed({ ...manifest, ranges: [{ start: 3, end: 3 }] })],
    ['a short hash', sealed({ ...manifest, hash: 'ab' })],
    ['no tensors', sealed({ ...manifest, tensors: [] })],
    ['a tensor twice', sealed({ ...manifest, tensors: [parameters, slots, slots] })],
    ['no slots', sealed({ ...manifest, tensors: [parameters] })],
    ['tensors out of the order of the hash', sealed({ ...manifest, tensors: [adapters, parameters, slots] })],
    ['a tensor in the file of another', sealed({ ...manifest, tensors: [parameters, { ...slots, file: 'parameters.bin' }] })],
    ['a file outside the folder', sealed({ ...manifest, tensors: [{ ...parameters, file: '../../secret' }, slots] })],
    ['a shape that does not fit', sealed({ ...manifest, tensors: [{ ...parameters, shape: [5] }, slots] })],
    ['a huge shape', sealed({ ...manifest, tensors: [{ ...parameters, shape: [1e300] }, slots] })],
    ['another dtype', sealed({ ...manifest, tensors: [{ ...parameters, dtype: 'float64' }, slots] })],
    ['two hashes for the parameters', sealed({ ...manifest, hash: 'cd'.repeat(32) })],
    ['a prototype', sealed(JSON.parse('{"__proto__":{"format":1}}'))],
  ])('%s is damage', (_, text) => {
    expect(() => readManifest(text, '/run/m.json')).toThrow(
      expect.objectContaining({ code: 'checkpoint.damaged', message: expect.stringContaining('/run/m.json') }),
    );
  });
});
