/** Effects that are performed while disk or network fail. */

import { describe, expect, test } from 'vitest';
import type { JournalRecord } from '../../../coordinator/core/types.js';
import { type Outside, performEffect } from '../../../coordinator/shell/effects.js';
import { takeTerm } from '../../../coordinator/shell/term.js';
import { asIncarnation, asTerm } from '../../../src/base/ids.js';
import type { CoordinatorMessage } from '../../../src/protocol/control.js';
import { type LogLine, recordingLogger } from './recording-logger.js';
import { scratchFolder } from './scratch-folder.js';

async function outside(change: Partial<Outside> = {}) {
  const terms = scratchFolder();
  const term = await takeTerm(terms, {});
  const lines: LogLine[] = [];
  const done: string[] = [];
  const all: Outside = {
    term,
    control: {
      send: (connection) => {
        done.push(`send ${connection}`);
        return 'queued';
      },
    },
    data: { expect: (message) => void done.push(`expect ${message.type}`) },
    journal: { append: async (record) => void done.push(`journal ${record.type}`) },
    exporter: { begin: ({ stage }) => void done.push(`export ${stage}`) },
    store: { retain: async () => [] },
    logger: recordingLogger(lines),
    report: async () => {},
    ...change,
  };
  return { all, terms, lines, done };
}

const save: CoordinatorMessage = {
  type: 'coordinator.save',
  term: asTerm(1),
  incarnation: asIncarnation(1),
  state: { stage: 'base', peer: 'model', round: 1 },
  column: 0,
  others: [],
};
const record: JournalRecord = { type: 'run-done', term: asTerm(1) };

test('what a message asks for is expected before the message is sent', async () => {
  const { all, done } = await outside();
  await performEffect(all, { type: 'send', connection: 'a', message: save });
  expect(done).toEqual(['expect coordinator.save', 'send a']);
});

test.each(['full', 'gone'] as const)('a message to a connection that is %s is logged with it', async (outcome) => {
  const { all, lines } = await outside({ control: { send: () => outcome } });
  await performEffect(all, { type: 'send', connection: 'a', message: save });
  expect(lines).toEqual([
    { level: 'warn', event: 'message.undelivered', fields: { connection: 'a', message: 'coordinator.save', outcome } },
  ]);
});

describe('when another coordinator has taken over', () => {
  test('nothing is written and nothing is deleted', async () => {
    const retained: string[] = [];
    const { all, terms, done } = await outside({
      store: {
        retain: async (stage) => {
          retained.push(stage);
          return [];
        },
      },
    });
    await takeTerm(terms, {});
    const busy = { code: 'run.busy' };
    await expect(performEffect(all, { type: 'journal', record })).rejects.toMatchObject(busy);
    await expect(performEffect(all, { type: 'retain', stage: 'base', rounds: [] })).rejects.toMatchObject(busy);
    expect({ done, retained }).toEqual({ done: [], retained: [] });
  });
});

test('a checkpoint that cannot be deleted is logged, and the run goes on', async () => {
  const error = new Error('EIO');
  const { all, lines } = await outside({ store: { retain: () => Promise.reject(error) } });
  await performEffect(all, { type: 'retain', stage: 'base', rounds: [1] });
  expect(lines).toEqual([{ level: 'warn', event: 'checkpoint.undeleted', fields: { stage: 'base', error } }]);
});

test('a log line has its own level, event and fields', async () => {
  const { all, lines } = await outside();
  await performEffect(all, { type: 'log', level: 'error', event: 'run.ended', fields: { outcome: 'failed' } });
  expect(lines).toEqual([{ level: 'error', event: 'run.ended', fields: { outcome: 'failed' } }]);
});
