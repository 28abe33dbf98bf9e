import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { forwardLines } from '../../../src/process/forward-lines.js';
import { NATIVE_GREETING } from '../../../src/system/engine-environment.js';

/** The text that comes through when pieces are written one by one. */
async function forwarded(...pieces: readonly (string | Uint8Array)[]): Promise<string> {
  const [from, to] = [new PassThrough(), new PassThrough()];
  forwardLines(from, to, NATIVE_GREETING);
  from.on('end', () => to.end());
  for (const piece of pieces) from.write(piece);
  from.end();
  return text(to);
}

const WARNING = 'WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n';
const ONEDNN = 'I0000 00:00:1795280598.142039   11427 port.cc:153] oneDNN custom operations are on. You may see slightly different\n';

test('what libtensorflow always says is dropped, and nothing else', async () => {
  const error = 'E0000 00:00:1795280598.142039   11427 cuda.cc:1] no device\n';
  expect(await forwarded(`a\n${WARNING}${ONEDNN}${error}b`)).toBe(`a\n${error}b`);
});

test('lines are put together of their pieces, whatever lies between', async () => {
  const bytes = Buffer.from('größe\n');
  expect(await forwarded(WARNING.slice(0, 9), WARNING.slice(9), bytes.subarray(0, 3), bytes.subarray(3), 'end')).toBe('größe\nend');
});
