import { describe, expect, test } from 'vitest';
import type { Clock } from '../../../src/base/clock.js';
import { LineView } from '../../../src/cli/line-view.js';
import type { Output } from '../../../src/cli/output.js';
import type { Report } from '../../../src/protocol/report.js';
import { ACCURACY_ALONE } from '../../support/no-facts.js';

const PROGRESS: Report = {
  type: 'progress',
  stage: 'teacher',
  round: 4,
  epoch: 2,
  epochs: 8,
  committed: 10_000,
  samples: 64_000,
  loss: 0.5,
  trainAccuracy: 0.5,
  losses: {},
  waited: {},
  imagesPerSecond: 1234.5,
  secondsLeft: 43.7,
};
const EVALUATED: Report = {
  type: 'evaluated',
  stage: 'teacher',
  evaluation: {
    peer: 'model',
    epoch: 2,
    round: 4,
    accuracy: 0.81,
    loss: 0.6,
    millisecondsPerImage: 0.1,
    parameters: 10,
    agreement: {},
    ...ACCURACY_ALONE,
  },
};

/** The lines of a view that is shown reports at given seconds. */
function lines(reports: readonly (readonly [number, Report])[]): string[] {
  const told: string[] = [];
  let seconds = 0;
  const clock: Clock = { nowMs: () => seconds * 1000, wallMs: () => 0, after: () => ({ cancel: () => {} }) };
  const output: Output = {
    json: false,
    quiet: false,
    isTerminal: false,
    result: () => {},
    note: (line) => told.push(line),
    alert: () => {},
    fail: () => {},
  };
  const view = new LineView(output, clock);
  for (const [at, report] of reports) {
    seconds = at;
    view.report(report);
  }
  return told;
}

describe('progress as lines', () => {
  test('has the figures of the stage', () => {
    expect(
      lines([
        [0, PROGRESS],
        [9, EVALUATED],
      ]),
    ).toEqual([
      'teacher: 15.6 %, epoch 2/8, round 4, 1,235 images/s, training loss 0.500, 0:44 left',
      'teacher: accuracy 81.0 %, test loss 0.600 after epoch 2',
    ]);
  });

  test('tells what happens often every five seconds, and evaluations every two', () => {
    const often = Array.from({ length: 200 }, (_, index) => [index / 10, index % 2 === 0 ? PROGRESS : EVALUATED] as const);
    const told = lines(often);
    expect(told.filter((line) => line.includes('images/s'))).toHaveLength(4);
    expect(told.filter((line) => line.includes('accuracy'))).toHaveLength(10);
  });

  test('tells every evaluation that is not one of many, whatever else is told', () => {
    const reports = Array.from({ length: 20 }, (_, second) => [[second, PROGRESS] as const, [second, EVALUATED] as const]).flat();
    const rare = reports.filter(([second, { type }]) => type === 'progress' || second % 3 === 0);
    expect(lines(rare).filter((line) => line.includes('accuracy'))).toHaveLength(7);
  });

  test('tells everything else at once', () => {
    const joined = (worker: string): Report => ({ type: 'worker-joined', worker, role: 'student', incarnation: 1, engine: 'wasm' });
    expect(
      lines([
        [0, PROGRESS],
        [0, joined('a')],
        [0, joined('b')],
      ]).slice(1),
    ).toEqual(['student a joined (engine wasm)', 'student b joined (engine wasm)']);
  });

  test('tells how a stage runs once for all workers that run it so', () => {
    const how = { engine: 'tensorflow', stage: 'teacher', traced: true, precision: 'bf16', threads: 1, note: null } as const;
    const prepared = (worker: string, more: object = {}): Report => ({ type: 'worker-prepared', worker, role: 'student', ...how, ...more });
    expect(
      lines([
        [0, prepared('a')],
        [0, prepared('b')],
        [9, prepared('a', { traced: false, precision: 'fp32', note: 'a draw of its own' })],
        [9, prepared('c', { role: 'teacher', threads: 2 })],
        [99, prepared('b')],
      ]),
    ).toEqual([
      'teacher: students train by graphs on tensorflow, bf16, 1 thread each',
      'teacher: students train op by op on tensorflow, fp32, 1 thread each: a draw of its own',
      'teacher: teachers answer by graphs on tensorflow, bf16, 2 threads each',
    ]);
  });
});
