/** Which errors mean that memory ran out: each engine, and Node itself, says it in other words. Pure. */

/** The memory of an engine is full: its allocation was refused. */
export class MemoryFull extends Error {
  override readonly name = 'MemoryFull';

  constructor(bytes: number, heldBytes: number) {
    super(`${bytes} bytes do not fit into the memory of the WebAssembly module, which holds ${heldBytes} bytes`);
  }
}

/** The words of libtensorflow and oneDNN, the C++ library, V8, and the operating system. */
const WORDS: readonly RegExp[] = [
  /\bOOM when allocating\b/,
  /\bran out of memory\b/,
  /\bFatal process OOM\b/,
  /\bRESOURCE_EXHAUSTED\b/,
  /\bcould not create a memory object\b/,
  /\bstd::bad_alloc\b/,
  /\bout of memory\b/i,
  /\bArray buffer allocation failed\b/i,
  /\bInvalid (?:array buffer|typed array) length(?:: \d{9,})?$/i,
  /\bCannot allocate memory\b/i,
  /\bENOMEM\b/,
];

/** Whether the text, of an error or of a line of an engine's output, says that memory ran out. */
export function saysOutOfMemory(text: string): boolean {
  return WORDS.some((words) => words.test(text));
}

/** Whether an error means that memory ran out, or has such an error for its cause: a user's loss may be where it happens. */
export function isOutOfMemory(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error instanceof MemoryFull || saysOutOfMemory(error.message) || isOutOfMemory(error.cause);
}
