/** Shows the progress of an install: a bar on a terminal, lines elsewhere, JSON lines for scripts. */

import { SingleBar } from 'cli-progress';
import type { Clock } from '../base/clock.js';
import type { InstallReport, InstallStep } from '../native/install-report.js';
import { formatDuration } from './format-figure.js';
import type { Output } from './output.js';

/** Without a terminal, a line is written each time this share of the bytes is done. */
const LINE_SHARE = 0.1;
/** Characters of the longest name of a step, with a space. */
const NAME_WIDTH = 9;

export interface InstallView {
  report(report: InstallReport): void;
  /** Ends the bar. Call this before anything else is written, and at the end. */
  close(): void;
}

/** Opens the view that fits the output. */
export function openInstallView(output: Output, clock: Pick<Clock, 'nowMs'>): InstallView {
  if (output.json) return { report: (report) => output.result(JSON.stringify(report)), close() {} };
  return new TextView(output, clock);
}

interface Counting {
  readonly step: InstallStep;
  readonly startMs: number;
  readonly startBytes: number;
  shownShare: number;
}

class TextView implements InstallView {
  readonly #output: Output;
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #hasBar: boolean;
  #bar: SingleBar | null = null;
  #counting: Counting | null = null;

  constructor(output: Output, clock: Pick<Clock, 'nowMs'>) {
    this.#output = output;
    this.#clock = clock;
    this.#hasBar = output.isTerminal && !output.quiet;
  }

  report(report: InstallReport): void {
    switch (report.type) {
      case 'step':
        this.close();
        this.#output.note(`${report.step.padEnd(NAME_WIDTH)}${report.about}`);
        return;
      case 'note':
        this.close();
        this.#output.note(`note: ${report.text}`);
        return;
      case 'progress':
        this.#progress(report);
    }
  }

  close(): void {
    this.#bar?.stop();
    this.#bar = null;
    this.#counting = null;
  }

  #progress({ step, bytes, ofBytes }: Extract<InstallReport, { type: 'progress' }>): void {
    const nowMs = this.#clock.nowMs();
    this.#counting ??= { step, startMs: nowMs, startBytes: bytes, shownShare: bytes / ofBytes };
    const figures = describe(this.#counting, { bytes, ofBytes, nowMs });
    if (this.#hasBar) {
      this.#bar ??= startBar(step, { bytes, ofBytes });
      this.#bar.update(bytes, { figures });
      return;
    }
    const share = bytes / ofBytes;
    if (share < 1 && share < this.#counting.shownShare + LINE_SHARE) return;
    if (share === this.#counting.shownShare) return;
    this.#counting.shownShare = share;
    this.#output.note(`${step.padEnd(NAME_WIDTH)}${Math.floor(share * 100)} %, ${figures}`);
  }
}

function startBar(step: InstallStep, { bytes, ofBytes }: { readonly bytes: number; readonly ofBytes: number }): SingleBar {
  const bar = new SingleBar({
    stream: process.stderr,
    format: `${step.padEnd(NAME_WIDTH)}[{bar}] {percentage} % {figures}`,
    barCompleteChar: '=',
    barIncompleteChar: ' ',
    barsize: 20,
    fps: 5,
    hideCursor: null,
    gracefulExit: false,
    linewrap: false,
  });
  bar.start(ofBytes, bytes, { figures: '' });
  return bar;
}

/** The figures of a step, such as "118 of 274 MB, 12.0 MB/s, 0:13 left". */
function describe(counting: Counting, now: { readonly bytes: number; readonly ofBytes: number; readonly nowMs: number }): string {
  const seconds = (now.nowMs - counting.startMs) / 1000;
  const rate = (now.bytes - counting.startBytes) / seconds;
  const done = `${megabytes(now.bytes)} of ${megabytes(now.ofBytes)} MB`;
  if (!Number.isFinite(rate) || rate === 0) return done;
  const left = now.bytes < now.ofBytes ? `, ${formatDuration((now.ofBytes - now.bytes) / rate)} left` : '';
  return `${done}, ${(rate / 1e6).toFixed(1)} MB/s${left}`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
