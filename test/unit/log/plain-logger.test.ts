import { expect, test } from 'vitest';
import { StillhouseError } from '../../../src/errors/stillhouse-error.js';
import { plainLogger } from '../../../src/log/plain-logger.js';

function written(): { readonly lines: string[]; readonly logger: ReturnType<typeof plainLogger> } {
  const lines: string[] = [];
  return { lines, logger: plainLogger({ name: 'worker a', write: (line) => lines.push(line), leaveOut: ['work.told'] }) };
}

test('warnings and errors are sentences with their place and reason; the rest is left out', () => {
  const { lines, logger } = written();
  logger.error('work.told', { message: 'known' });
  logger.info('session.over', { reason: 'done' });
  logger.warn('commit.notHeld', { stage: 's', peer: 'model', round: 3, hash: '00' });
  logger.error('work.failed', { stage: 's', code: 'data.missing', error: new StillhouseError('data.missing', 'there is no such file') });
  logger.child({ run: 'r' }).warn('control.invalid', { reason: 'schema', detail: 'no type' });
  expect(lines).toEqual([
    'worker a: warning: commit not held (stage s, peer model, round 3)',
    'worker a: error: work failed (stage s): there is no such file',
    'worker a: warning: control invalid: schema: no type',
  ]);
});

test('a fault of the program has its stack', () => {
  const { lines, logger } = written();
  logger.error('engine.crashed', { error: new TypeError('x is undefined') });
  expect(lines[0]).toMatch(/^worker a: error: engine crashed: TypeError: x is undefined\n {4}at /);
});
