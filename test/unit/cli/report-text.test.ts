import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.js';
import { BarView } from '../../../src/cli/bar-view.js';
import { describeReport } from '../../../src/cli/report-text.js';
import type { Report, TrainingFacts } from '../../../src/protocol/report.js';
import { ACCURACY_ALONE } from '../../support/no-facts.js';

const TROUBLE = { type: 'trouble', stage: 'teacher', code: 'checkpoint.unwritable', message: 'the disk is full', failures: 1 } as const;
const ROLLBACK = { type: 'rollback', stage: 'teacher', checkpoint: 'teacher-25', committed: 3_200, samples: 6_400 } as const;
const LOST = { type: 'best-lost', stage: 'teacher', peer: 'model', epoch: 15, accuracy: 0.79, kept: null } as const;

const FEWER = { type: 'fewer-replicas', stage: 'pair', peer: 'big', slotsOf: 8, replicas: 10, most: 8 } as const;

describe('what went wrong is one line', () => {
  test.each<[Report, string]>([
    [TROUBLE, 'teacher: trouble: the disk is full'],
    [{ ...TROUBLE, failures: 3 }, 'teacher: trouble, 3 times in a row: the disk is full'],
    [ROLLBACK, 'teacher: back to checkpoint teacher-25, 50.0 %'],
    [{ ...ROLLBACK, checkpoint: null, committed: 0 }, 'teacher: back to its beginning'],
    [
      { ...LOST, kept: { epoch: 12, accuracy: 0.785 } },
      'teacher: the best epoch, 15 with 79.0 %, is lost: its checkpoint is damaged or was not stored; the best that is kept is epoch 12, 78.5 %',
    ],
    [LOST, 'teacher: the best epoch, 15 with 79.0 %, is lost: its checkpoint is damaged or was not stored; no other is kept'],
  ])('%o', (report, line) => {
    expect(describeReport(report)).toBe(line);
  });
});

test('replicas whose optimiser is not in the checkpoint are told, with the reason', () => {
  expect(describeReport(FEWER)).toMatch(
    /^pair\.big: the checkpoint has the optimiser state of 8 of 10 students \(a checkpoint holds that of 8 at most\); after a resume/,
  );
  expect(describeReport({ ...FEWER, slotsOf: 1, replicas: 2 })).toContain('of 1 of 2 students (the others did not hand it over in time)');
});

test('the test of a finished model is after no epoch', () => {
  const evaluation = {
    peer: 'small',
    epoch: 0,
    round: 4,
    accuracy: 0.5,
    loss: 1.5,
    millisecondsPerImage: 1,
    parameters: 10,
    agreement: {},
    ...ACCURACY_ALONE,
  };
  const line = (epoch: number) => describeReport({ type: 'evaluated', stage: 'final', evaluation: { ...evaluation, epoch } });
  expect(line(0)).toBe('final.small: accuracy 50.0 %, test loss 1.500');
  expect(line(3)).toBe('final.small: accuracy 50.0 %, test loss 1.500 after epoch 3');
});

test('a test tells the parts of the loss with their shares of the gradient, and agreement with the teacher', () => {
  const evaluation = {
    ...{ peer: 'model', epoch: 2, round: 4, accuracy: 0.5, loss: 1.5, millisecondsPerImage: 1, parameters: 10, agreement: {} },
    calibration: null,
  };
  const line = (training: TrainingFacts | null) =>
    describeReport({ type: 'evaluated', stage: 's', evaluation: { ...evaluation, training } });
  const start = 's: accuracy 50.0 %, test loss 1.500 after epoch 2';
  const labels = { loss: 0.769, share: 0.045 };
  expect(line(null)).toBe(start);
  // One part is the whole loss, which the progress tells.
  expect(line({ terms: { labels }, sameAsTeacher: null })).toBe(start);
  expect(line({ terms: { labels, hinton: { loss: 0.0002916, share: 0.955 } }, sameAsTeacher: 0.923 })).toBe(
    `${start}; labels 0.769 (4.5 % of the gradient), hinton 0.000292 (95.5 %); the teacher's class for 92.3 % of the training images`,
  );
  expect(line({ terms: { labels: { ...labels, share: null }, rkd: { loss: 2, share: null } }, sameAsTeacher: null })).toBe(
    `${start}; labels 0.769, rkd 2.00`,
  );
});

test('the progress of several peers has the loss of each', () => {
  const figures = { round: 3, epoch: 1, epochs: 2, loss: 0.5, trainAccuracy: 0.5, imagesPerSecond: 100, secondsLeft: 13 };
  const losses = { big: 0.4, small: 0.6 };
  const progress: Report = {
    type: 'progress',
    stage: 'pair',
    committed: 50,
    samples: 100,
    ...figures,
    losses,
    waited: { big: 0, small: 0.5 },
  };
  expect(describeReport(progress)).toBe(
    'pair: 50.0 %, epoch 1/2, round 3, 100 images/s, training loss big 0.400, small 0.600, waited for each other: big 0.0 %, small 50.0 %, 0:13 left',
  );
});

test('a time left that is not known is left out', () => {
  const figures = { round: 1, epoch: 1, epochs: 2, loss: 0.5, losses: {}, trainAccuracy: 0.5, waited: {}, imagesPerSecond: 100 };
  const progress: Report = { type: 'progress', stage: 'teacher', committed: 50, samples: 100, ...figures, secondsLeft: null };
  expect(describeReport(progress)).toBe('teacher: 50.0 %, epoch 1/2, round 1, 100 images/s, training loss 0.500');
});

test('a student is told with its peer and its column', () => {
  const seated: Report = { type: 'worker-seated', worker: 's-1', incarnation: 1, stage: 'together', peer: 'big', column: 2 };
  expect(describeReport(seated)).toBe('student s-1 trains together.big, column 2');
});

test('a student without work is told why', () => {
  const spare = { type: 'worker-spare', worker: 's-3', stage: 'together', seats: 2, peers: 2 } as const;
  expect(describeReport({ ...spare, isFull: true })).toBe(
    'student s-3 has no part in together now, which has enough students: it uses 2; a higher replicas in the recipe uses more',
  );
  expect(describeReport({ ...spare, isFull: false })).toContain('it uses them in groups of 2');
});

test('the reason of a failure is in its error alone', () => {
  expect(describeReport({ type: 'run-ended', outcome: 'failed', message: 'no space' })).toBe('run failed');
  expect(describeReport({ type: 'run-ended', outcome: 'stopped', message: 'SIGINT' })).toBe('run stopped: SIGINT');
});

test('the bar goes back with the stage, evaluations are lines above it, and a stop is said in it', () => {
  const terminal = Object.assign(new PassThrough(), { isTTY: true, columns: 120, cursorTo() {}, clearLine() {}, moveCursor() {} });
  const view = new BarView(terminal, systemClock);
  view.report({ type: 'stage-started', stage: 'teacher', kind: 'train', epochs: 1, samples: 6_400 });
  const figures = {
    round: 40,
    epoch: 1,
    epochs: 1,
    loss: 0.5,
    losses: {},
    trainAccuracy: 0.5,
    waited: {},
    imagesPerSecond: 100,
    secondsLeft: 13,
  };
  view.report({ type: 'progress', stage: 'teacher', committed: 5_120, samples: 6_400, ...figures });
  const evaluation = {
    round: 40,
    peer: 'model',
    epoch: 1,
    accuracy: 0.5,
    loss: 1.5,
    millisecondsPerImage: 1,
    parameters: 10,
    agreement: {},
    ...ACCURACY_ALONE,
  };
  view.report({ type: 'evaluated', stage: 'teacher', evaluation });
  view.report(ROLLBACK);
  view.close();
  const drawn = String(terminal.read());
  expect(drawn).toContain('teacher: back to checkpoint teacher-25, 50.0 %');
  expect(drawn).toContain('teacher: accuracy 50.0 %, test loss 1.500 after epoch 1\n');
  expect(drawn.trimEnd()).toMatch(/50 % stopped/);
  expect(drawn.lastIndexOf('50 %')).toBeGreaterThan(drawn.lastIndexOf('80 %'));
});
