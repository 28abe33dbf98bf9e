import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type NativeLayout, nativeLayout } from '../../../src/native/layout.js';
import { findMissingPart } from '../../../src/native/missing-part.js';

let cache = '';
let layout: NativeLayout;
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'stillhouse native '));
  layout = nativeLayout('cpu', cache);
});
afterEach(() => rmSync(cache, { recursive: true }));

function put(file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, '');
}

test('the parts are in place when the manifest and the binding are', () => {
  expect(findMissingPart(layout)).toBe('libtensorflow is not installed');
  put(layout.binding);
  expect(findMissingPart(layout)).toBe('libtensorflow is not installed');
  put(layout.manifest);
  expect(findMissingPart(layout)).toBeNull();
  rmSync(layout.binding);
  expect(findMissingPart(layout)).toBe("tfjs's binding is not compiled");
});
