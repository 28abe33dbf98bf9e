import { expect, test } from 'vitest';
import { readTrial } from '../../../src/native/trial.js';
import type { ToolEnd } from '../../../src/process/run-tool.js';

const line = (usable: boolean, note: string): string => `${JSON.stringify({ name: 'tensorflow', usable, note })}\n`;

test.each<[string, Partial<ToolEnd>, string | null]>([
  ['an engine that computes', { stdout: `${line(true, 'fine')}{"name":"wasm"}\n` }, null],
  [
    'one that does not, without the advice to install it',
    { stdout: line(false, 'a convolution gave 3; run `stillhouse engine install tensorflow`') },
    'a convolution gave 3',
  ],
  ['a processor that lacks instructions', { code: null, signal: 'SIGILL' }, 'the processor of this machine lacks instructions'],
  ['a crash', { code: null, signal: 'SIGABRT', stderr: 'a\nF0000 no AVX\n' }, 'ended with signal SIGABRT: F0000 no AVX'],
  ['a process that says nothing', { code: 1 }, 'ended with exit code 1'],
])('%s', (_, end, expected) => {
  const found = readTrial({ code: 0, signal: null, stdout: '', stderr: '', ...end });
  if (expected === null) expect(found).toBeNull();
  else expect(found).toContain(expected);
});
