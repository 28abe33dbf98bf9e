import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { BarView } from '../../../src/cli/bar-view.js';
import { describeReport } from '../../../src/cli/report-text.js';
import type { Report } from '../../../src/protocol/report.js';

const TROUBLE = { type: 'trouble', stage: 'teacher', code: 'checkpoint.unwritable', message: 'the disk is full', failures: 1 } as const;
const ROLLBACK = { type: 'rollback', stage: 'teacher', checkpoint: 'teacher-25', committed: 3_200, samples: 6_400 } as const;

describe('what went wrong is one line', () => {
  test.each<[Report, string]>([
    [TROUBLE, 'teacher: trouble (checkpoint.unwritable): the disk is full'],
    [{ ...TROUBLE, failures: 3 }, 'teacher: trouble (checkpoint.unwritable, 3 times in a row): the disk is full'],
    [ROLLBACK, 'teacher: back to checkpoint teacher-25, 50.0 %'],
    [{ ...ROLLBACK, checkpoint: null, committed: 0 }, 'teacher: back to its beginning'],
  ])('%o', (report, line) => {
    expect(describeReport(report)).toBe(line);
  });
});

test('the bar goes back with the stage', () => {
  const terminal = Object.assign(new PassThrough(), { isTTY: true, columns: 120, cursorTo() {}, clearLine() {}, moveCursor() {} });
  const view = new BarView(terminal);
  view.report({ type: 'stage-started', stage: 'teacher', kind: 'train', epochs: 1, samples: 6_400 });
  const figures = { round: 40, epoch: 1, epochs: 1, loss: 0.5, trainAccuracy: 0.5, imagesPerSecond: 100, secondsLeft: 13 };
  view.report({ type: 'progress', stage: 'teacher', committed: 5_120, samples: 6_400, ...figures });
  view.report(ROLLBACK);
  view.close();
  const drawn = String(terminal.read());
  expect(drawn).toContain('teacher: back to checkpoint teacher-25, 50.0 %');
  expect(drawn.lastIndexOf('50 %')).toBeGreaterThan(drawn.lastIndexOf('80 %'));
});
