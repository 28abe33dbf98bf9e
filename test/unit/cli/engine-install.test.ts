import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { nativeWork } from '../../../src/native/layout.js';
import { thisSystem } from '../../../src/native/this-system.js';
import { findCompiler, findPip } from '../../../src/native/toolchain.js';
import { chooseWheel } from '../../../src/native/wheel.js';
import { distFolder } from '../../../src/process/package-folder.js';
import { startFileServer } from '../../support/file-server.js';
import { describeTensorflow } from '../../support/tensorflow-engine.js';

const MAIN = join(distFolder, 'src/cli/main.js');
let folder = '';
let cache = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stillhouse engine '));
  cache = join(folder, 'cache');
});
afterEach(() => rmSync(folder, { recursive: true }));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function environment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return { ...process.env, STILLHOUSE_CACHE: cache, PIP_CONFIG_FILE: '/dev/null', PIP_FIND_LINKS: '', NO_PROXY: '*', ...more };
}

function engine(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, 'engine', ...args], { env: environment(env) }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

test('where it is not installed, list says what to run, and so does a recipe that asks for it', async () => {
  const { code, stdout } = await engine(['list']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^tensorflow +not usable +libtensorflow is not installed; run `stillhouse engine install tensorflow`$/m);
});

test('only an engine that npm does not bring can be installed', async () => {
  const { code, stderr } = await engine(['install', 'wasm']);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('Allowed choices are tensorflow') });
});

test('what is missing is told before anything is downloaded', async () => {
  const ended = await engine(['install', 'tensorflow'], { PATH: join(folder, 'nothing'), CXX: '' });
  expect(ended).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/^error \(install\.missing\): /) });
  if (typeof chooseWheel(thisSystem()) !== 'string') expect(ended.stderr).toMatch(/- Python with pip: [\s\S]*- a C\+\+ compiler: /);
});

describe('remove', () => {
  test('says that nothing is there', async () => {
    expect(await engine(['remove', 'tensorflow'])).toEqual({
      code: 0,
      stdout: `there is nothing to remove: ${cache} has no part of the engine tensorflow\n`,
      stderr: '',
    });
  });

  test('takes away every release and what was downloaded, says how much that was, and leaves the rest', async () => {
    for (const file of ['tensorflow-1.0-cpu/lib/a.so', 'tensorflow-work/a.whl.partial', 'other/file']) {
      mkdirSync(join(cache, file, '..'), { recursive: true });
      writeFileSync(join(cache, file), Buffer.alloc(1_000_000));
    }
    const { code, stdout } = await engine(['remove', 'tensorflow']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `the engine tensorflow is removed from ${cache}: 2 MB are free again\n` });
    expect(readdirSync(cache)).toEqual(['other']);
  });
});

describe('with pip and a compiler', () => {
  beforeEach(async (context) => {
    const faults = [await findPip(process.env), await findCompiler(process.env)].flatMap((found) =>
      'fault' in found ? [found.fault] : [],
    );
    const wheel = chooseWheel(thisSystem());
    context.skip(faults.length > 0, faults.join('; '));
    context.skip(typeof wheel === 'string', String(wheel));
  });

  test('without a network it says what it could not reach, and that trying again may help', async () => {
    const ended = await engine(['install', 'tensorflow'], { PIP_INDEX_URL: 'http://127.0.0.1:9/simple' });
    expect(ended).toMatchObject({ code: 75, stdout: '' });
    expect(ended.stderr).toMatch(/error \(install\.unreachable\): .*http:\/\/127\.0\.0\.1:9\/simple\/\S+: Connection refused/);
  });

  test('Ctrl-C ends it and leaves the cache free for the next one', async () => {
    const wheel = chooseWheel(thisSystem());
    const page = `/simple/${typeof wheel === 'string' ? '' : wheel.project}/`;
    // The index answers, and then says nothing more.
    const server = await startFileServer({ [page]: { content: Buffer.alloc(1000, ' '), type: 'text/html', stallAfter: 10 } });
    const env = environment({ PIP_INDEX_URL: `${server.url}/simple` });
    const child = spawn(process.execPath, [MAIN, 'engine', 'install', 'tensorflow'], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    });
    const stderr = text(child.stderr);
    await server.requested;
    process.kill(-(child.pid as number), 'SIGINT');
    const [code] = await once(child, 'exit');
    expect({ code, stderr: await stderr }).toEqual({
      code: 130,
      stderr: expect.stringContaining('run the same command again to continue'),
    });
    expect(readdirSync(cache)).toEqual(readdirSync(cache).filter((name) => !name.endsWith('.lock')));
    expect(readdirSync(nativeWork(cache).folder)).toEqual([]);
    await server.close();
  });
});

describeTensorflow('the engine tensorflow', () => {
  const list = (env: NodeJS.ProcessEnv): Promise<Ended> => engine(['list'], { STILLHOUSE_CACHE: process.env.STILLHOUSE_CACHE, ...env });

  test('is loaded without a word of libtensorflow, unless the user asks for them', async () => {
    const [quiet, loud] = await Promise.all([list({ TF_CPP_MIN_LOG_LEVEL: undefined }), list({ TF_CPP_MIN_LOG_LEVEL: '0' })]);
    expect(quiet).toEqual({ code: 0, stdout: expect.stringMatching(/^tensorflow +usable /), stderr: '' });
    expect(loud.stderr).not.toBe('');
  });
});
