/** Keeps a process alive when the reader of its output has gone. */

import { hasCode } from '../errors/stillhouse-error.js';

/** The errors of output whose reader has gone: of a pipe, of a terminal that was closed, of a socket. */
const GONE = ['EPIPE', 'EIO', 'ENOTCONN', 'ECONNRESET'];

/**
 * The reader of this process's standard output or error may stop reading (`| head`, a closed terminal). Then later output
 * is lost, and the process goes on. Call this once in a process, before it writes.
 */
export function surviveClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (!GONE.some((code) => hasCode(error, code))) throw error;
    });
  }
}
