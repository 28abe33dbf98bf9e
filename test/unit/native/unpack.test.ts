import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type NativeLayout, nativeLayout } from '../../../src/native/layout.js';
import { unpackWheel } from '../../../src/native/unpack.js';
import { makeWheel, WHEEL_FILES } from '../../support/wheel.js';

let folder = '';
let file = '';
let layout: NativeLayout;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stillhouse unpack '));
  file = join(folder, 'a.whl');
  layout = nativeLayout('cpu', join(folder, 'cache'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const context = { signal: new AbortController().signal, onProgress() {} };

test('two libraries and the headers of the C interface are taken out, and nothing else', async () => {
  writeFileSync(file, (await makeWheel()).content);
  const progress: number[] = [];
  await unpackWheel(file, layout, { ...context, onProgress: (bytes) => progress.push(bytes) });
  const found = readdirSync(layout.folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('.'));
  expect(found.sort()).toEqual([
    'include/tensorflow/c/c_api.h',
    'include/tensorflow/c/eager/c_api.h',
    'lib/libtensorflow_cc.so.2',
    'lib/libtensorflow_framework.so.2',
  ]);
  const library = readFileSync(join(layout.library, 'libtensorflow_cc.so.2'), 'utf8');
  expect(library).toBe(WHEEL_FILES['tensorflow/libtensorflow_cc.so.2']);
  expect(progress.at(-1)).toBeGreaterThan(library.length);
});

test('an archive without a library says which', async () => {
  const { 'tensorflow/libtensorflow_framework.so.2': _, ...others } = WHEEL_FILES;
  writeFileSync(file, (await makeWheel(others)).content);
  const unpacking = unpackWheel(file, layout, context);
  await expect(unpacking).rejects.toMatchObject({ code: 'install.failed', message: expect.stringContaining('no libtensorflow_framework') });
});

test('what is no archive is refused by its name', async () => {
  writeFileSync(file, 'not a zip');
  await expect(unpackWheel(file, layout, context)).rejects.toMatchObject({
    code: 'install.failed',
    message: expect.stringContaining(file),
  });
});

test('a stop ends it with its reason', async () => {
  writeFileSync(file, (await makeWheel()).content);
  const stop = new AbortController();
  const onProgress = (): void => stop.abort(new Error('stopped'));
  await expect(unpackWheel(file, layout, { signal: stop.signal, onProgress })).rejects.toThrow('stopped');
  expect(existsSync(layout.manifest)).toBe(false);
});
