/** The interface of the views that show a run. open-run-view.ts chooses one. */

import type { ErrorCode } from '../errors/table.js';
import type { Report } from '../protocol/report.js';

export interface RunView {
  report(report: Report): void;
  /** Shows a sentence about the processes of the run. */
  note(text: string): void;
  /** Shows an error or a warning, also when quiet. */
  alert(text: string): void;
  /** Shows an error of the run. */
  fail(code: ErrorCode, message: string): void;
  /** Ends the view and leaves the terminal as it was. */
  close(): void;
}
