/** Chooses how a run is shown: JSON lines for a script, bars on a terminal, plain lines elsewhere, no reports when quiet. */

import type { Clock } from '../base/clock.js';
import { BarView } from './bar-view.js';
import { LineView } from './line-view.js';
import type { Output } from './output.js';
import type { RunView } from './run-view.js';

/** Opens the view that fits the output. */
export function openRunView(output: Output, clock: Clock): RunView {
  const fail: RunView['fail'] = (code, message) => output.fail({ code, message });
  const plain = { note: output.note, alert: output.alert, fail, close: () => {} };
  if (output.json) return { ...plain, report: (report) => output.result(JSON.stringify(report)) };
  if (output.quiet) return { ...plain, report: () => {} };
  return output.isTerminal ? new BarView(process.stderr, clock) : new LineView(output, clock);
}
