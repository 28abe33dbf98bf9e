/** Ends this process on purpose: its output is written first, but a reader that does not read delays the end only briefly. */

import { EXIT } from '../errors/table.js';

/** Output that is not flushed after this time is lost: its reader has stopped reading. */
const FLUSH_MS = 1000;

/** Ends the process at once. Output that is still in the streams may be lost. */
export function exitNow(code: number): never {
  process.exit(code);
}

/** Writes out stdout and stderr, waits for that at most 1 s, then ends the process. The promise never resolves. */
export async function exitAfterFlush(code: number): Promise<never> {
  setTimeout(() => end(code), FLUSH_MS);
  await Promise.all([flush(process.stdout), flush(process.stderr)]);
  return end(code);
}

/**
 * After a hang-up the process ends by that signal, as its parent expects. To leave by a code, Node would first restore the terminal, which is
 * gone, and abort over that.
 */
function end(code: number): never {
  if (code === EXIT.hungUp) {
    process.removeAllListeners('SIGHUP');
    process.kill(process.pid, 'SIGHUP');
  }
  process.exit(code);
}

function flush(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    // A closed pipe also calls back, with an error: without a reader, there is nothing left to flush.
    stream.write('', () => resolve());
  });
}
