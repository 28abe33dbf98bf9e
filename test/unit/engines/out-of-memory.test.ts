import { expect, test } from 'vitest';
import { isOutOfMemory, MemoryFull } from '../../../src/engines/out-of-memory.js';

test.each([
  new MemoryFull(1024, 2 ** 32),
  new RangeError('Array buffer allocation failed'),
  new RangeError('Invalid typed array length: 40000000000'),
  new RangeError('Invalid array buffer length'),
  new RangeError('WebAssembly.instantiate(): Out of memory: Cannot allocate Wasm memory for new instance'),
  new Error('OOM when allocating tensor with shape[1024,12,12,16] and type float on device:CPU:0 by allocator mklcpu'),
  new Error('Invalid TF_Status: 8\nMessage: RESOURCE_EXHAUSTED: failed to allocate'),
  new Error('Operation received an exception:Status: 1, message: could not create a memory object'),
  new Error('Fatal process OOM in Failed to reserve virtual memory for CodeRange'),
  new Error('std::bad_alloc'),
  new Error('spawn ENOMEM'),
  new Error("sum failed: the user's own words", { cause: new MemoryFull(1024, 2 ** 32) }),
])('%s means that memory ran out', (error) => {
  expect(isOutOfMemory(error)).toBe(true);
});

test.each([
  new RangeError('Invalid typed array length: -1'),
  new RangeError('Invalid array length'),
  new Error('memory access out of bounds'),
  new Error('the sum of the loss has no room'),
  'out of memory',
  undefined,
])('%s does not', (error) => {
  expect(isOutOfMemory(error)).toBe(false);
});
