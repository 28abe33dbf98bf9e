import { expect, test } from 'vitest';
import { retried } from '../../../src/data/coded-source.js';
import { unreadable } from '../../../src/data/data-file.js';

/** A read that fails with these codes first. */
function readAfter(...codes: string[]): () => string {
  return () => {
    const code = codes.shift();
    if (code === undefined) return 'content';
    throw unreadable('a file', Object.assign(new Error(code), { code }));
  };
}

test('a read is tried again after errors that pass, and after no others', () => {
  expect(retried(readAfter('EIO', 'ESTALE'), [0, 0])).toBe('content');
  expect(() => retried(readAfter('EIO', 'EIO', 'EMFILE'), [0, 0])).toThrow('cannot be read: EMFILE');
  expect(() => retried(readAfter('ENOENT'), [0, 0])).toThrow('cannot be read: ENOENT');
});
