/** A file of JSON lines that only grows: metrics.jsonl. Losing its last lines in a crash does no harm. */

import { type FileHandle, open } from 'node:fs/promises';

export interface LineFile {
  /** Adds a line. Throws Node's error. */
  append(value: object): Promise<void>;
  close(): Promise<void>;
}

/** Opens a file; makes it when it is missing. Ends a torn last line, so that the next line stands alone. The caller closes it. */
export async function openLineFile(file: string): Promise<LineFile> {
  const handle = await open(file, 'a+');
  if (await endsInMidLine(handle)) await handle.appendFile('\n');
  return {
    append: (value) => handle.appendFile(`${JSON.stringify(value)}\n`),
    close: () => handle.close(),
  };
}

async function endsInMidLine(handle: FileHandle): Promise<boolean> {
  const { size } = await handle.stat();
  if (size === 0) return false;
  const last = new Uint8Array(1);
  await handle.read(last, 0, 1, size - 1);
  return last[0] !== 0x0a;
}
