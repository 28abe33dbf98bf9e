import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test, vi } from 'vitest';
import { nativeWork } from '../../../src/native/layout.js';
import { findPip } from '../../../src/native/toolchain.js';
import { packageFolder } from '../../../src/process/package-folder.js';
import { placeProgram, REFUSING_COMPILER } from '../../support/fake-compiler.js';
import { indexPage, startFileServer } from '../../support/file-server.js';
import { makeWheel } from '../../support/wheel.js';

interface Line {
  readonly type: string;
  readonly step?: string;
}

test('an install that is killed in the middle of its download is gone on with by the next one', async (context) => {
  const pip = await findPip(process.env);
  if ('fault' in pip) return context.skip(`pip is needed: ${pip.fault}`);
  const { wheel, content } = await makeWheel();
  const half = Math.floor(content.length / 2);
  const file = `/files/${wheel.fileName}`;
  const server = await startFileServer({
    [`/simple/${wheel.project}/`]: indexPage(file, wheel.sha256),
    [file]: { content, stallAfter: half },
  });
  const cache = mkdtempSync(join(tmpdir(), 'stillhouse killed '));
  const CXX = placeProgram(join(cache, 'compiler'), REFUSING_COMPILER);
  const env = {
    ...process.env,
    CXX,
    PIP_INDEX_URL: `${server.url}/simple`,
    PIP_CONFIG_FILE: '/dev/null',
    PIP_FIND_LINKS: '',
    NO_PROXY: '*',
  };
  const install = () => {
    const args = [join(packageFolder, 'test/support/process/install-child.mjs'), JSON.stringify({ cache, wheel })];
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    return { child, lines: createInterface({ input: child.stdout }) };
  };

  const partialFile = `${join(nativeWork(cache).folder, wheel.fileName)}.partial`;
  const first = install();
  const ended = once(first.child, 'exit');
  await vi.waitUntil(() => (statSync(partialFile, { throwIfNoEntry: false })?.size ?? 0) > 0, { timeout: 60_000, interval: 5 });
  first.child.kill('SIGKILL');
  await ended;
  const partial = readFileSync(partialFile);
  expect(partial.length).toBeLessThanOrEqual(half);
  expect(partial.equals(content.subarray(0, partial.length))).toBe(true);

  server.files.set(file, { content });
  const second = install();
  const lines: Line[] = [];
  for await (const text of second.lines) lines.push(JSON.parse(text) as Line);
  if (second.child.exitCode === null) await once(second.child, 'exit');
  expect(server.requests.filter((request) => request.includes('.whl'))).toEqual([`GET ${file}`, `GET ${file} bytes=${partial.length}-`]);
  // Whole, and unpacked.
  expect(lines.flatMap(({ type, step }) => (type === 'step' ? [step] : []))).toEqual(['ask', 'download', 'unpack', 'compile']);
  expect(lines.at(-1)).toMatchObject({
    type: 'error',
    code: 'install.failed',
    message: expect.stringContaining('tfjs_binding.cc:3: error: no'),
  });
  expect(readFileSync(join(nativeWork(cache).folder, wheel.fileName)).equals(content)).toBe(true);
  await server.close();
  rmSync(cache, { recursive: true });
});
