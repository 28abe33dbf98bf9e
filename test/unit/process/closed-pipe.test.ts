import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

const MODULE = new URL('../../../dist/src/process/closed-pipe.js', import.meta.url).href;

/** The exit code of a process whose standard error fails so. */
function exitAfter(code: string): number | null {
  const script = `import { surviveClosedPipes } from '${MODULE}';
surviveClosedPipes();
process.stderr.emit('error', Object.assign(new Error('${code}'), { code: '${code}' }));
await new Promise((resolve) => setImmediate(resolve));
process.exit(7);`;
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' }).status;
}

test.each(['EPIPE', 'EIO', 'ENOTCONN', 'ECONNRESET'])('a reader that has gone (%s) ends nothing', (code) => {
  expect(exitAfter(code)).toBe(7);
});

test('another error of the output does', () => {
  expect(exitAfter('ENOSPC')).toBe(1);
});
