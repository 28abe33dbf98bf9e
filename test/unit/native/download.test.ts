import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Agent } from 'undici';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type DownloadContext, download } from '../../../src/native/download.js';
import { type FileServer, type Served, startFileServer } from '../../support/file-server.js';

/** Too long for one packet, and without a period that would hide a part in the wrong place. */
const CONTENT = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => (i * i + (i >> 8)) & 0xff));
const HALF = 150_000;
const sha256 = createHash('sha256').update(CONTENT).digest('hex');
/** Pauses are over at once. */
const clock: DownloadContext['clock'] = {
  after(_delayMs, callback) {
    const timer = setImmediate(callback);
    return { cancel: () => clearImmediate(timer) };
  },
};

let folder = '';
let file = '';
let server: FileServer;
let dispatcher: Agent;
let notes: string[] = [];
let progress: number[] = [];
let whenBytesCome = (): void => {};
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stillhouse download '));
  file = join(folder, 'a folder', 'file.whl');
  server = await startFileServer();
  // Silence that a busy machine may make by itself is shorter.
  dispatcher = new Agent({ bodyTimeout: 1_000 });
  notes = [];
  progress = [];
  whenBytesCome = () => {};
});
afterEach(async () => {
  await dispatcher.destroy();
  await server.close();
  rmSync(folder, { recursive: true });
});

function serve(served: Partial<Served>): void {
  server.files.set('/file', { content: CONTENT, ...served });
}

function fetchFile(signal = new AbortController().signal): Promise<void> {
  const onProgress = (bytes: number): void => {
    progress.push(bytes);
    whenBytesCome();
  };
  const context = { dispatcher, clock, signal, onProgress, onNote: (text: string) => void notes.push(text) };
  return download({ url: `${server.url}/file`, file, bytes: CONTENT.length, sha256 }, context);
}

function placePartial(partial: Buffer): void {
  mkdirSync(dirname(file));
  writeFileSync(`${file}.partial`, partial);
}

function expectWhole(): void {
  expect(readFileSync(file).equals(CONTENT)).toBe(true);
  expect(readdirSync(join(folder, 'a folder'))).toEqual(['file.whl']);
}

test('a whole file comes in one connection, and progress ends at its size', async () => {
  serve({});
  await fetchFile();
  expectWhole();
  expect(server.requests).toEqual(['GET /file']);
  expect(progress.at(-1)).toBe(CONTENT.length);
  expect(notes).toEqual([]);
});

describe('what an earlier call left', () => {
  test('is gone on with', async () => {
    serve({});
    placePartial(CONTENT.subarray(0, HALF));
    await fetchFile();
    expectWhole();
    expect(server.requests).toEqual([`GET /file bytes=${HALF}-`]);
    expect(progress[0]).toBeGreaterThan(HALF);
  });

  test('is fetched anew from a server that knows no ranges', async () => {
    serve({ ignoresRange: true });
    placePartial(CONTENT.subarray(0, HALF));
    await fetchFile();
    expectWhole();
    expect(server.requests).toEqual([`GET /file bytes=${HALF}-`]);
  });

  test('needs no connection when all of it is there', async () => {
    serve({ status: 500 });
    placePartial(CONTENT);
    await fetchFile();
    expectWhole();
    expect(server.requests).toEqual([]);
  });

  test.each([
    ['is damaged', Buffer.alloc(HALF, 1), [`GET /file bytes=${HALF}-`, 'GET /file']],
    ['is damaged at full length', Buffer.alloc(CONTENT.length, 1), ['GET /file']],
  ])('is thrown away and fetched anew when it %s', async (_, partial, requests) => {
    serve({});
    placePartial(partial);
    await fetchFile();
    expectWhole();
    expect(server.requests).toEqual(requests);
    expect(notes).toEqual([expect.stringContaining('damaged')]);
  });

  test('is thrown away when it is longer than the file', async () => {
    serve({});
    placePartial(Buffer.alloc(CONTENT.length + 1, 1));
    await fetchFile();
    expectWhole();
    expect(server.requests).toEqual(['GET /file']);
  });
});

describe('a connection that is lost', () => {
  test('is made again, from where it was, as long as each brings something', async () => {
    serve({ stallAfter: 40_000 });
    whenBytesCome = () => server.cut();
    await fetchFile();
    expectWhole();
    const starts = server.requests.map((request) => Number(/bytes=(\d+)-/.exec(request)?.[1] ?? 0));
    expect(starts.length).toBeGreaterThanOrEqual(8);
    expect(starts).toEqual([...new Set(starts)].sort((one, other) => one - other));
    expect(notes.length).toBeGreaterThanOrEqual(7);
  });

  test('counts as lost when it is silent', async () => {
    serve({ stallAfter: HALF });
    await fetchFile();
    expectWhole();
    expect(server.requests).toEqual(['GET /file', `GET /file bytes=${HALF}-`]);
  });

  test('for good leaves what has come, for the next call', async () => {
    serve({ stallAfter: HALF });
    const cut = fetchFile();
    // The first request is answered as above, those after it with an error.
    await server.requested;
    server.files.set('/file', { content: CONTENT, status: 503 });
    await expect(cut).rejects.toMatchObject({
      code: 'install.stopped',
      exitCode: 75,
      message: expect.stringMatching(/503.*run the command again/s),
    });
    expect(existsSync(file)).toBe(false);
    const kept = readFileSync(`${file}.partial`);
    expect(kept.equals(CONTENT.subarray(0, kept.length))).toBe(true);
    serve({});
    await fetchFile();
    expectWhole();
    expect(server.requests.at(-1)).toBe(`GET /file bytes=${kept.length}-`);
  });

  test('by a server that knows no ranges is not made for ever', async () => {
    serve({ ignoresRange: true, cutAfter: HALF });
    await expect(fetchFile()).rejects.toMatchObject({ code: 'install.stopped' });
    // How much comes before a cut differs, and a try that got further than any before is not counted.
    expect(server.requests.length).toBeLessThan(50);
  });

  test('before anything came is an address that cannot be reached', async () => {
    await server.close();
    await expect(fetchFile()).rejects.toMatchObject({ code: 'install.unreachable', message: expect.stringContaining('ECONNREFUSED') });
    server = await startFileServer();
  });
});

describe('a wrong file', () => {
  test('of the right size is fetched twice, then refused with both hashes', async () => {
    serve({ content: Buffer.alloc(CONTENT.length, 7) });
    await expect(fetchFile()).rejects.toMatchObject({ code: 'install.damaged', message: expect.stringContaining(sha256) });
    expect(server.requests).toEqual(['GET /file', 'GET /file']);
    expect(readdirSync(join(folder, 'a folder'))).toEqual([]);
  });

  test.each([
    ['shorter', CONTENT.subarray(1)],
    ['longer', Buffer.concat([CONTENT, CONTENT])],
  ])('that is %s is refused before it is fetched', async (_, content) => {
    serve({ content });
    await expect(fetchFile()).rejects.toMatchObject({
      code: 'install.damaged',
      message: expect.stringContaining(`${content.length} bytes`),
    });
    expect(progress).toEqual([]);
  });

  test('an answer other than the file says which', async () => {
    await expect(fetchFile()).rejects.toMatchObject({ code: 'install.unreachable', message: expect.stringContaining('404') });
    expect(server.requests).toHaveLength(1);
  });
});

test('a stop leaves what has come, and throws its reason', async () => {
  serve({ stallAfter: HALF });
  const stop = new AbortController();
  const onProgress = (bytes: number): void => {
    if (bytes === HALF) stop.abort(new Error('stopped'));
  };
  const context = { dispatcher, clock, signal: stop.signal, onProgress, onNote() {} };
  const what = { url: `${server.url}/file`, file, bytes: CONTENT.length, sha256 };
  await expect(download(what, context)).rejects.toThrow('stopped');
  const kept = readFileSync(`${file}.partial`);
  expect(kept.equals(CONTENT.subarray(0, kept.length))).toBe(true);
});
