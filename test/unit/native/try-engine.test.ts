import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { nativeLayout } from '../../../src/native/layout.js';
import { findCompiler } from '../../../src/native/toolchain.js';
import { readTrial, tryEngine } from '../../../src/native/try-engine.js';
import type { ChildEnd } from '../../../src/process/child.js';
import { runTool } from '../../../src/process/run-tool.js';
import type { EngineProbe } from '../../../src/system/engine-probe.js';

const END: ChildEnd = { code: 0, signal: null };
const probe = (usable: boolean, note: string): EngineProbe => ({ name: 'tensorflow', usable, note });

test.each<[string, ChildEnd, EngineProbe | null, string | null]>([
  ['an engine that computes', END, probe(true, 'fine'), null],
  [
    'one that does not, without the advice to install it',
    END,
    probe(false, 'a convolution gave 3; run `stillhouse engine install tensorflow`'),
    'a convolution gave 3',
  ],
  ['a processor that lacks instructions', { code: null, signal: 'SIGILL' }, null, 'the processor of this machine lacks instructions'],
  ['a crash', { code: null, signal: 'SIGABRT' }, null, 'the process that tried it ended: signal SIGABRT'],
  ['a process that says nothing', { code: 1, signal: null }, null, 'the process that tried it ended: exit code 1'],
])('%s', (_, end, found, expected) => {
  const read = readTrial(end, found);
  if (expected === null) expect(read).toBeNull();
  else expect(read).toContain(expected);
});

test('native parts with an instruction that the processor does not have end the trial, and not this process', async (context) => {
  context.skip(process.arch !== 'x64', 'on other processors a trap is not SIGILL');
  const compiler = await findCompiler(process.env);
  if ('fault' in compiler) return context.skip(`a compiler is needed: ${compiler.fault}`);
  const cache = mkdtempSync(join(tmpdir(), 'stillhouse trial '));
  const { binding, manifest } = nativeLayout('cpu', cache);
  mkdirSync(dirname(binding), { recursive: true });
  const input = '__attribute__((constructor)) void load() { __builtin_trap(); }\n';
  await runTool([...compiler.command, '-shared', '-fPIC', '-x', 'c++', '-', '-o', binding], { env: process.env, input });
  writeFileSync(manifest, '{}\n');
  const signal = new AbortController().signal;
  expect(await tryEngine(cache, { env: process.env, signal })).toContain(
    'lacks instructions that libtensorflow is compiled to use (SIGILL)',
  );
  rmSync(cache, { recursive: true });
});
