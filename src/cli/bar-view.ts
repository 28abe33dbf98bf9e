/** Progress on a terminal: a bar for each stage, and above the bars a line for each event. */

import { MultiBar, type SingleBar } from 'cli-progress';
import type { Clock } from '../base/clock.js';
import type { ErrorCode } from '../errors/table.js';
import type { Report } from '../protocol/report.js';
import { barText } from './bar-text.js';
import { EVALUATED_LEAST_MS } from './line-view.js';
import { describeAccuracy, describeReport, progressFigures } from './report-text.js';
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
      format: (_options, { progress }, { stage, figures }) => barText({ stage, share: progress, figures }, columnsOf(stream)),
      fps: 5,
      // A line above the bars moves them down, so bars that did not change must be drawn again too.
      forceRedraw: true,
      hideCursor: null,
      gracefulExit: false,
      emptyOnZero: true,
      // A terminal that does not wrap cuts off the end of every other line; the bars are made to fit.
      linewrap: true,
    });
  }

  report(report: Report): void {
    switch (report.type) {
      case 'stage-started':
        if (report.samples > 0) this.#barOf(report.stage, report.samples);
        return;
      case 'progress':
        this.#barOf(report.stage, report.samples).update(report.committed, { figures: progressFigures(report) });
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
        bar?.update(bar.getTotal(), { figures: [{ text: `done${describeAccuracy(report.result)}`, rank: 1 }] });
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

  fail(code: ErrorCode, message: string): void {
    this.alert(`error (${code}): ${message}`);
  }

  close(): void {
    if (this.#byStage.size === 0) return;
    // The figures of an unfinished stage say that it goes on; replace them.
    for (const bar of this.#byStage.values()) if (bar.getProgress() < 1) bar.update({ figures: [{ text: 'stopped', rank: 1 }] });
    this.#bars.stop();
  }

  #barOf(stage: string, samples: number): SingleBar {
    const known = this.#byStage.get(stage);
    if (known !== undefined) return known;
    const bar = this.#bars.create(samples, 0, { stage, figures: [] });
    this.#byStage.set(stage, bar);
    return bar;
  }
}

/** The width of a terminal that does not say it. */
const COLUMNS = 80;

function columnsOf(stream: NodeJS.WritableStream & { readonly columns?: number }): number {
  return stream.columns === undefined || stream.columns < 1 ? COLUMNS : stream.columns;
}
