/** Which requests for knowledge are messages at all: specs come from another machine, and name what that likes. */

import { Packr } from 'msgpackr';
import { expect, test } from 'vitest';
import { LIMITS } from '../../../src/base/limits.js';
import { decodeDataRequest } from '../../../src/protocol/codec.js';

const packr = new Packr({ useRecords: false, variableMapSize: true });
const VALID = { type: 'knowledge.get', term: 1, stage: 's', about: { of: 'view', epoch: 0 }, specs: [{ of: 'logits' }], half: false };

/** The request as it is decoded from its bytes. */
function decoded(change: object) {
  const samples = Int32Array.of(1);
  const tensors = [{ name: 'samples', dtype: 'int32', shape: [1] }];
  return decodeDataRequest([packr.pack({ ...VALID, ...change, id: 1, tensors }), new Uint8Array(samples.buffer)]);
}

const tap = (change: object) => ({ specs: [{ of: 'tap', layer: 'relu', reduce: null, ...change }] });
const reduced = (change: object) => tap({ reduce: { name: 'attention', options: { p: 2 }, ...change } });
const options = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`o${i}`, i + 0.5]));

test.each<[string, object]>([
  ['logits', {}],
  ['a layer with any name', tap({ layer: 'block 1/conv:0 é' })],
  ['the longest name', tap({ layer: 'x'.repeat(LIMITS.layerLength) })],
  ['a reduction', reduced({})],
  ['a reduction of many numbers', reduced({ options: options(LIMITS.reductionOptions) })],
  ['a key that objects have as well', reduced({ options: { constructor: 1, toString: 2 } })],
  ['a flow', { specs: [{ of: 'flow', from: 'block 1/relu', to: 'block2' }] }],
  ['similarities', { specs: [{ of: 'similarity', layer: 'block 1/relu' }] }],
  ['as many specs as there may be', { specs: Array.from({ length: LIMITS.specs }, () => ({ of: 'logits' })) }],
])('%s is asked for as it is said', (_, change) => {
  expect(decoded(change)).toMatchObject({ ok: true, message: { header: { ...VALID, ...change } } });
});

test.each<[string, object]>([
  ['no specs', { specs: [] }],
  ['one spec too many', { specs: Array.from({ length: LIMITS.specs + 1 }, () => ({ of: 'logits' })) }],
  ['a spec of a kind that is not there', { specs: [{ of: 'weights' }] }],
  ['a spec without a kind', { specs: [{ layer: 'relu', reduce: null }] }],
  ['a spec with more', { specs: [{ of: 'logits', layer: 'relu' }] }],
  ['a layer without a name', tap({ layer: '' })],
  ['a name that is too long', tap({ layer: 'x'.repeat(LIMITS.layerLength + 1) })],
  ['a name that is a number', tap({ layer: 3 })],
  ['a tap that does not say whether it is reduced', { specs: [{ of: 'tap', layer: 'relu' }] }],
  ['a flow without its end', { specs: [{ of: 'flow', from: 'relu' }] }],
  ['a flow from a layer without a name', { specs: [{ of: 'flow', from: '', to: 'relu' }] }],
  ['a flow that is reduced', { specs: [{ of: 'flow', from: 'a', to: 'relu', reduce: null }] }],
  ['similarities of no layer', { specs: [{ of: 'similarity' }] }],
  ['similarities of a layer without a name', { specs: [{ of: 'similarity', layer: '' }] }],
  ['a reduction without options', tap({ reduce: { name: 'attention' } })],
  ['a reduction with a name of another form', reduced({ name: '../attention' })],
  ['one option too many', reduced({ options: options(LIMITS.reductionOptions + 1) })],
  ['an option that is no number', reduced({ options: { p: '2' } })],
  ['an option that is not finite', reduced({ options: { p: Number.POSITIVE_INFINITY } })],
  ['an option that is none', reduced({ options: { p: Number.NaN } })],
  ['an option with a name of another form', reduced({ options: { __proto__x: 1 } })],
  ['options that are a list', reduced({ options: [1, 2] })],
  ['a source that is not there', { about: { of: 'step', step: 3 } }],
  ['a view without an epoch', { about: { of: 'view' } }],
  ['half that is a number', { half: 1 }],
])('%s is no request, and it is said why', (_, change) => {
  expect(decoded(change)).toMatchObject({ ok: false, id: 1, reason: 'invalid-message', detail: expect.stringMatching(/./) });
});
