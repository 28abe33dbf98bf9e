import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.js';
import type { InstallReport } from '../../../src/native/install-report.js';
import { type InstallOptions, installTensorflow } from '../../../src/native/install-tensorflow.js';
import { nativeLayout, nativeWork } from '../../../src/native/layout.js';
import { removeTensorflow } from '../../../src/native/remove-tensorflow.js';
import { findPip } from '../../../src/native/toolchain.js';
import { CARELESS_COMPILER, placeProgram, REFUSING_COMPILER } from '../../support/fake-compiler.js';
import { type FileServer, indexPage, startFileServer } from '../../support/file-server.js';
import { type MadeWheel, makeWheel } from '../../support/wheel.js';

/** pip begins anew several times in a test; a machine may be busy. */
const SLOW_MS = 60_000;

let made: MadeWheel;
let pipFault: string | null = null;
beforeAll(async () => {
  made = await makeWheel();
  const pip = await findPip(process.env);
  pipFault = 'fault' in pip ? `pip is needed: ${pip.fault}` : null;
});

let folder = '';
let cache = '';
let server: FileServer;
let reports: InstallReport[] = [];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stillhouse install '));
  cache = join(folder, 'cache');
  server = await startFileServer({ [`/files/${made.wheel.fileName}`]: { content: made.content } });
  serveIndex(made.wheel.sha256);
  reports = [];
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

function serveIndex(sha256: string): void {
  server.files.set(`/simple/${made.wheel.project}/`, indexPage(`/files/${made.wheel.fileName}`, sha256));
}

function options(env: NodeJS.ProcessEnv = {}): InstallOptions {
  const compiler = placeProgram(join(folder, 'a compiler'), REFUSING_COMPILER);
  const pip = { PIP_INDEX_URL: `${server.url}/simple`, PIP_CONFIG_FILE: '/dev/null', PIP_FIND_LINKS: '', NO_PROXY: '*' };
  return {
    env: { ...process.env, CXX: compiler, ...pip, ...env },
    clock: systemClock,
    signal: new AbortController().signal,
    report: (report) => reports.push(report),
    cache,
    wheel: made.wheel,
  };
}

const steps = (): readonly string[] => reports.flatMap((report) => (report.type === 'step' ? [report.step] : []));
const notes = (): readonly string[] => reports.flatMap((report) => (report.type === 'note' ? [report.text] : []));
const wheelRequests = (): readonly string[] => server.requests.filter((request) => request.includes('.whl'));

describe('what is missing is named before anything is downloaded', () => {
  test('pip and the compiler, both at once', async () => {
    const install = installTensorflow(options({ PATH: join(folder, 'empty'), CXX: undefined }));
    await expect(install).rejects.toMatchObject({
      code: 'install.missing',
      exitCode: 2,
      message: expect.stringMatching(/- Python with pip: .*python3-pip[\s\S]*- a C\+\+ compiler: .*apt-get install g\+\+/),
    });
    expect(readdirSync(cache)).toEqual([]);
  });

  test('a Python without pip, and a compiler that cannot compile, each with its own words', async () => {
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    placeProgram(join(bin, 'python3'), '#!/bin/sh\necho "/usr/bin/python3: No module named pip" >&2; exit 1\n');
    placeProgram(join(bin, 'g++'), '#!/bin/sh\necho "<stdin>:1:10: fatal error: string: No such file" >&2; exit 1\n');
    const install = installTensorflow(options({ PATH: bin, CXX: undefined }));
    await expect(install).rejects.toThrow(
      /python3 -m pip: \/usr\/bin\/python3: No module named pip[\s\S]*g\+\+ does not build .* string: No such/,
    );
  });

  test('a compiler that CXX names and that is not there', async () => {
    const install = installTensorflow(options({ CXX: '/no/such/compiler' }));
    await expect(install).rejects.toThrow(/\/no\/such\/compiler does not build a small library: .*ENOENT/);
  });

  test('space on the disk', async () => {
    const wheel = { ...made.wheel, unpackedBytes: 1e18 };
    await expect(installTensorflow({ ...options(), wheel })).rejects.toThrow(/free space: .* needs 1,000,000,000,\d+ MB, .* MB free/);
  });

  test('a folder to write to', async () => {
    writeFileSync(cache, 'a file is in the way');
    await expect(installTensorflow(options())).rejects.toThrow(/a folder to write to: .*cache: .*STILLHOUSE_CACHE/);
  });
});

describe('with a package index', { timeout: SLOW_MS }, () => {
  beforeEach((context) => context.skip(pipFault !== null, pipFault ?? ''));

  test('the wheel is found, downloaded, unpacked, compiled against and tried; what does not work is not put in place', async () => {
    await expect(installTensorflow(options({ CXX: placeProgram(join(folder, 'careless'), CARELESS_COMPILER) }))).rejects.toMatchObject({
      code: 'install.failed',
      message: expect.stringMatching(/built, but does not work here: .*(too short|invalid ELF)/),
    });
    expect(steps()).toEqual(['ask', 'download', 'unpack', 'compile', 'try']);
    expect(existsSync(nativeLayout('cpu', cache).folder)).toBe(false);
  });

  test('what was downloaded serves the next call, until it is removed', async () => {
    const refusal = { code: 'install.failed', message: expect.stringContaining('tfjs_binding.cc:3: error: no') };
    await expect(installTensorflow(options())).rejects.toMatchObject(refusal);
    expect(readdirSync(nativeWork(cache).folder)).toEqual([made.wheel.fileName]);
    await expect(installTensorflow(options())).rejects.toMatchObject(refusal);
    expect(steps()).toEqual(['ask', 'download', 'unpack', 'compile', 'unpack', 'compile']);
    expect(wheelRequests()).toEqual([`GET /files/${made.wheel.fileName}`]);
    expect(await removeTensorflow(cache)).toBe(made.wheel.bytes);
    expect(readdirSync(cache)).toEqual([]);
    expect(await removeTensorflow(cache)).toBe(0);
  });

  test('two installs at once: the second waits for the first, and uses what it has downloaded', async () => {
    let second: Promise<unknown> = Promise.resolve('not tried');
    const first = installTensorflow({
      ...options(),
      report: (report) => {
        if (report.type === 'step' && report.step === 'ask') second = installTensorflow(options()).catch((error: unknown) => error);
      },
    });
    await expect(first).rejects.toMatchObject({ code: 'install.failed' });
    expect(await second).toMatchObject({ code: 'install.failed' });
    expect(wheelRequests()).toHaveLength(1);
    expect(notes()).toEqual([`process ${process.pid} installs or removes the engine; waiting until it ends`]);
  });

  test('while an install is at work nothing is removed', async () => {
    const install = installTensorflow({
      ...options(),
      report: (report) => {
        if (report.type === 'step' && report.step === 'download') removal = removeTensorflow(cache).catch((error: unknown) => error);
      },
    });
    let removal: Promise<unknown> = Promise.resolve('not tried');
    await expect(install).rejects.toMatchObject({ code: 'install.failed' });
    expect(await removal).toMatchObject({ code: 'install.busy', message: expect.stringContaining(`process ${process.pid}`) });
  });

  test('where only pip gets through, pip downloads', async () => {
    server.files.set(`/files/${made.wheel.fileName}`, { content: made.content, onlyFor: /pip/ });
    await expect(installTensorflow(options())).rejects.toMatchObject({ code: 'install.failed' });
    expect(notes()).toEqual([expect.stringMatching(/answers 403.*pip downloads it now/)]);
    expect(steps()).toEqual(['ask', 'download', 'unpack', 'compile']);
  });

  test('where nobody gets through, both are quoted', async () => {
    server.files.set(`/files/${made.wheel.fileName}`, { content: made.content, status: 403 });
    await expect(installTensorflow(options())).rejects.toMatchObject({
      code: 'install.unreachable',
      message: expect.stringMatching(/answers 403.*and by pip: .*403/s),
    });
  });

  test('without a network the message says what could not be reached, and what to do', async () => {
    await server.close();
    await expect(installTensorflow(options())).rejects.toMatchObject({
      code: 'install.unreachable',
      exitCode: 75,
      message: expect.stringMatching(
        /pip finds no made-up 1\.0: http:.*\/simple\/made-up\/: Connection refused\. Check the network.*again/,
      ),
    });
    server = await startFileServer();
  });

  test('an index that has another file under the name is refused before it is downloaded', async () => {
    serveIndex('0'.repeat(64));
    await expect(installTensorflow(options())).rejects.toMatchObject({
      code: 'install.damaged',
      message: expect.stringContaining(`${'0'.repeat(64)} in place of ${made.wheel.sha256}`),
    });
    expect(wheelRequests()).toEqual([]);
  });
});
