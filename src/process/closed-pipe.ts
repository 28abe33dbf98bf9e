/** Keeps a process alive when the reader of its output has gone. */

import { hasCode } from '../errors/stillhouse-error.js';

/**
 * The reader of this process's standard output or error may stop reading (`| head`, a closed terminal). Then later output
 * is lost, and the process goes on. Call this once in a process, before it writes.
 */
export function surviveClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (!hasCode(error, 'EPIPE')) throw error;
    });
  }
}
