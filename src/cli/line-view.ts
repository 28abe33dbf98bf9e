/** Progress as plain lines, for logs and pipes. Frequent reports are shown only every few seconds. */

import type { Clock } from '../base/clock.js';
import type { ErrorCode } from '../errors/table.js';
import type { Report } from '../protocol/report.js';
import type { Output } from './output.js';
import { describeReport } from './report-text.js';
import type { RunView } from './run-view.js';

/** The least time between two lines of evaluations. They are rare, except in very short runs. */
export const EVALUATED_LEAST_MS = 2_000;

/** The least time between two lines of the same type of report about the same model; zero for the other types. */
const LEAST_MS: Readonly<Partial<Record<Report['type'], number>>> = { progress: 5_000, evaluated: EVALUATED_LEAST_MS };

export class LineView implements RunView {
  readonly #output: Output;
  readonly #clock: Clock;
  /** By type of report, and by peer for those that are about one model. */
  readonly #toldMs = new Map<string, number>();
  /** The lines of `worker-prepared` that were shown: workers of one role usually send the same one. */
  readonly #prepared = new Set<string>();

  constructor(output: Output, clock: Clock) {
    this.#output = output;
    this.#clock = clock;
  }

  report(report: Report): void {
    const { type } = report;
    const nowMs = this.#clock.nowMs();
    const about = type === 'evaluated' ? `${type} ${report.evaluation.peer}` : type;
    if (nowMs - (this.#toldMs.get(about) ?? Number.NEGATIVE_INFINITY) < (LEAST_MS[type] ?? 0)) return;
    this.#toldMs.set(about, nowMs);
    const line = describeReport(report);
    if (type === 'worker-prepared') {
      if (this.#prepared.has(line)) return;
      this.#prepared.add(line);
    }
    if (type === 'warning') this.#output.alert(line);
    else this.#output.note(line);
  }

  note(text: string): void {
    this.#output.note(text);
  }

  alert(text: string): void {
    this.#output.alert(text);
  }

  fail(code: ErrorCode, message: string): void {
    this.#output.fail({ code, message });
  }

  close(): void {}
}
