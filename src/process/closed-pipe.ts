/** Output that nobody reads any more. */

import { hasCode } from '../errors/stillhouse-error.js';

/**
 * Whoever reads the standard output or error of this process may stop reading (`| head`, a closed terminal): what is
 * written after that is lost, and the process goes on to its end. Call once in a process, before anything is written.
 */
export function surviveClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (!hasCode(error, 'EPIPE')) throw error;
    });
  }
}
