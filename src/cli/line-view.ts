/** Progress as plain lines, for logs and pipes: what happens often is told at most every few seconds. */

import type { Clock } from '../base/clock.js';
import type { Report } from '../protocol/report.js';
import type { Output } from './output.js';
import { describeReport } from './report-text.js';
import type { RunView } from './run-view.js';

const FREQUENT_EVERY_MS = 5_000;

export class LineView implements RunView {
  readonly #output: Output;
  readonly #clock: Clock;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(output: Output, clock: Clock) {
    this.#output = output;
    this.#clock = clock;
  }

  report(report: Report): void {
    if (report.type === 'progress' || report.type === 'evaluated') {
      const nowMs = this.#clock.nowMs();
      if (nowMs - this.#lastMs < FREQUENT_EVERY_MS) return;
      this.#lastMs = nowMs;
    }
    this.#output.note(describeReport(report));
  }

  note(text: string): void {
    this.#output.note(text);
  }

  alert(text: string): void {
    this.#output.alert(text);
  }

  close(): void {}
}
