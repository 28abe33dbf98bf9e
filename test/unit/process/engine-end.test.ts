import { expect, test } from 'vitest';
import type { EngineName } from '../../../src/config/schema.js';
import { describeEngineEnd, type MemorySign } from '../../../src/process/engine-end.js';

test.each<[NodeJS.Signals, EngineName | null, RegExp]>([
  [
    'SIGSEGV',
    'tensorflow',
    /^the engine tensorflow ended: signal SIGSEGV: .*memory.* install it again .*, or train with `workers\.engine: wasm`$/,
  ],
  [
    'SIGILL',
    'tensorflow',
    /^the engine tensorflow ended: signal SIGILL: .*instruction that this processor does not have.* install it again/,
  ],
  ['SIGABRT', 'wasm', /^the engine wasm ended: signal SIGABRT: .*stopped itself.*`workers\.engine: cpu`$/],
  ['SIGSEGV', null, /^the engine ended: signal SIGSEGV: .*another engine/],
  ['SIGKILL', 'cpu', /^the engine cpu ended: signal SIGKILL: .*memory ran out/],
])('%s of %s says what it means and what to do', (signal, engine, words) => {
  expect(describeEngineEnd({ code: null, signal }, engine)).toMatch(words);
});

test.each<[NodeJS.Signals, MemorySign, RegExp]>([
  [
    'SIGKILL',
    'killed',
    /^the engine wasm ended: signal SIGKILL: memory ran out \(the kernel killed it\): begin a new run with a smaller batch/,
  ],
  ['SIGSEGV', 'limited', /^the engine wasm ended: signal SIGSEGV: memory ran out, it seems, .*\(ulimit -v\): begin/],
  ['SIGABRT', 'said', /^the engine wasm ended: signal SIGABRT: memory ran out \(it said so\): /],
])('%s with the sign %s means that memory ran out', (signal, sign, words) => {
  expect(describeEngineEnd({ code: null, signal }, 'wasm', sign)).toMatch(words);
});

test('an exit code speaks for itself: the log has the rest', () => {
  expect(describeEngineEnd({ code: 1, signal: null }, 'wasm')).toBe('the engine wasm ended: exit code 1');
});
