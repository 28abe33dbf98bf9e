/** Passes on a child's output line by line, without the lines that nobody needs. */

import type { Readable, Writable } from 'node:stream';

/** Passes on whole lines as they come, and an unfinished line at the end of the stream. Drops the lines that match `hide`. */
export function forwardLines(from: Readable, to: Writable, hide: RegExp): void {
  let rest = '';
  const pass = (line: string, end: string): void => {
    if (!hide.test(line)) to.write(line + end);
  };
  from.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) pass(line, '\n');
  });
  from.on('end', () => {
    if (rest !== '') pass(rest, '');
  });
}
