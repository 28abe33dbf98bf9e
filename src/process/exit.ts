/** How a process of ours ends on purpose: its output is written first, but nothing can hold it up for long. */

/** What is written but not flushed after so long is given up: whoever reads it has stopped reading. */
const FLUSH_MS = 1000;

/** Ends the process at once. What is still in the output streams may be lost. */
export function exitNow(code: number): never {
  process.exit(code);
}

/** Writes out stdout and stderr, then ends the process. Does not return in practice: the promise never resolves. */
export async function exitAfterFlush(code: number): Promise<never> {
  setTimeout(() => process.exit(code), FLUSH_MS);
  await Promise.all([flush(process.stdout), flush(process.stderr)]);
  process.exit(code);
}

function flush(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    // A closed pipe reports an error to the callback: there is nobody left to write to, which is as good as flushed.
    stream.write('', () => resolve());
  });
}
