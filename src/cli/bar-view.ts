/** Progress on a terminal: a bar for each stage, and above the bars a line for each event. */

import { MultiBar, type SingleBar } from 'cli-progress';
import type { Clock } from '../base/clock.js';
import type { Report } from '../protocol/report.js';
import { EVALUATED_LEAST_MS } from './line-view.js';
import { describeAccuracy, describeProgress, describeReport } from './report-text.js';
import type { RunView } from './run-view.js';

export class BarView implements RunView {
  readonly #stream: NodeJS.WritableStream;
  readonly #bars: MultiBar;
  readonly #clock: Clock;
  readonly #byStage = new Map<string, SingleBar>();
  /** The time of the last line about the accuracy of each peer. */
  readonly #evaluatedMs = new Map<string, number>();
  /** The lines of `worker-prepared` that were shown: workers of one role usually send the same one. */
  readonly #prepared = new Set<string>();

  /** Draws on this stream, which must be a terminal. */
  constructor(stream: NodeJS.WritableStream, clock: Clock) {
    this.#stream = stream;
    this.#clock = clock;
    this.#bars = new MultiBar({
      stream,
      format: '{stage} [{bar}] {percentage} % {figures}',
      barCompleteChar: '=',
      barIncompleteChar: ' ',
      barsize: 20,
      fps: 5,
      // A line above the bars moves them down, so bars that did not change must be drawn again too.
      forceRedraw: true,
      hideCursor: null,
      gracefulExit: false,
      emptyOnZero: true,
      linewrap: false,
    });
  }

  report(report: Report): void {
    switch (report.type) {
      case 'stage-started':
        if (report.samples > 0) this.#barOf(report.stage, report.samples);
        return;
      case 'progress':
        this.#barOf(report.stage, report.samples).update(report.committed, { figures: describeProgress(report) });
        return;
      case 'rollback':
        this.note(describeReport(report));
        this.#barOf(report.stage, report.samples).update(report.committed);
        return;
      case 'evaluated': {
        const { peer } = report.evaluation;
        const nowMs = this.#clock.nowMs();
        if (nowMs - (this.#evaluatedMs.get(peer) ?? Number.NEGATIVE_INFINITY) < EVALUATED_LEAST_MS) return;
        this.#evaluatedMs.set(peer, nowMs);
        this.note(describeReport(report));
        return;
      }
      case 'worker-prepared': {
        const line = describeReport(report);
        if (!this.#prepared.has(line)) this.note(line);
        this.#prepared.add(line);
        return;
      }
      case 'stage-done': {
        const bar = this.#byStage.get(report.result.stage);
        if (bar === undefined) this.note(describeReport(report));
        bar?.update(bar.getTotal(), { figures: `done${describeAccuracy(report.result)}` });
        return;
      }
      default:
        this.note(describeReport(report));
    }
  }

  note(text: string): void {
    if (this.#byStage.size === 0) {
      this.#stream.write(`${text}\n`);
      return;
    }
    this.#bars.log(`${text}\n`);
    this.#bars.update();
  }

  alert(text: string): void {
    this.note(text);
  }

  close(): void {
    if (this.#byStage.size === 0) return;
    // The figures of an unfinished stage say that it goes on; replace them.
    for (const bar of this.#byStage.values()) if (bar.getProgress() < 1) bar.update({ figures: 'stopped' });
    this.#bars.stop();
  }

  #barOf(stage: string, samples: number): SingleBar {
    const known = this.#byStage.get(stage);
    if (known !== undefined) return known;
    const bar = this.#bars.create(samples, 0, { stage: stage.padEnd(10), figures: '' });
    this.#byStage.set(stage, bar);
    return bar;
  }
}
