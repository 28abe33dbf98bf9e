/**
 * What is shown while a run goes on, by the kind of reader: JSON lines for a script, bars for a person at a terminal,
 * plain lines elsewhere, nothing when quiet.
 */

import type { Clock } from '../base/clock.js';
import type { Report } from '../protocol/report.js';
import { BarView } from './bar-view.js';
import { LineView } from './line-view.js';
import type { Output } from './output.js';

export interface RunView {
  report(report: Report): void;
  /** Something about the processes of the run, as a sentence. */
  note(text: string): void;
  /** Something that must be seen. */
  alert(text: string): void;
  /** Gives the terminal back. Nothing is shown afterwards. */
  close(): void;
}

/** The view for this output. */
export function openRunView(output: Output, clock: Clock): RunView {
  const plain = { note: output.note, alert: output.alert, close: () => {} };
  if (output.json) return { ...plain, report: (report) => output.result(JSON.stringify(report)) };
  if (output.quiet) return { ...plain, report: () => {} };
  return output.isTerminal ? new BarView(process.stderr) : new LineView(output, clock);
}
