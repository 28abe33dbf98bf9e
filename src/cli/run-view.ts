/** What a run needs of whatever shows it. open-run-view.ts chooses one. */

import type { Report } from '../protocol/report.js';

export interface RunView {
  report(report: Report): void;
  /** Something about the processes of the run, as a sentence. */
  note(text: string): void;
  /** Something that must be seen. */
  alert(text: string): void;
  /** Gives the terminal back. Nothing is shown afterwards. */
  close(): void;
}
