import { totalmem } from 'node:os';
import { expect, test } from 'vitest';
import { addressSpaceOf, memoryLimit } from '../../../src/system/memory-limit.js';

const limits = (soft: string) => `Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max address space         ${soft}            unlimited            bytes
`;

test.each([
  [limits('3072000000'), 3_072_000_000],
  [limits('unlimited'), Number.POSITIVE_INFINITY],
  ['', Number.POSITIVE_INFINITY],
])('the address space of %j is %d bytes', (text, bytes) => {
  expect(addressSpaceOf(text)).toBe(bytes);
});

test('no process has more than the machine', () => {
  expect(memoryLimit()).toBeGreaterThan(0);
  expect(memoryLimit()).toBeLessThanOrEqual(totalmem());
});
