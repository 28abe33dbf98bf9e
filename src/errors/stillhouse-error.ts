/** The one error class that users meet. The message says what happened, where, and what to do next. */

import { ERROR_TABLE, type ErrorCode } from './table.js';

export interface ErrorDetails {
  /** The file, with `line` and `column` from 1, or the byte `offset` from 0. */
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  readonly offset?: number;
  /** The address of the process that refused, did not answer, or answered wrongly. */
  readonly address?: string;
  /** The user's next action, as a sentence without its full stop. */
  readonly hint?: string;
  /** The mistakes one by one, where the message tells of several. */
  readonly problems?: readonly ErrorProblem[];
}

/** One of the mistakes of a file. */
export interface ErrorProblem {
  /** Its place, with `line` and `column` from 1; or the option of the command line that brought it. */
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  readonly option?: string;
  /** The value's place in the file's structure, as in `stages.teacher.epochs`. */
  readonly path: string;
  readonly message: string;
  readonly hint?: string;
}

export class StillhouseError extends Error {
  override readonly name = 'StillhouseError';
  readonly code: ErrorCode;
  /** The message without its place and hint, which are among the details. */
  readonly what: string;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, what: string, options: ErrorDetails & { readonly cause?: unknown } = {}) {
    const { cause, ...details } = options;
    super(describe(what, details), cause === undefined ? undefined : { cause });
    this.code = code;
    this.what = what;
    this.details = details;
  }

  get retryable(): boolean {
    return ERROR_TABLE[this.code].retryable;
  }

  get exitCode(): number {
    return ERROR_TABLE[this.code].exitCode;
  }
}

function describe(what: string, { file, line, column, offset, address, hint }: ErrorDetails): string {
  let where = file ?? '';
  if (line !== undefined) where += `:${line}`;
  if (column !== undefined) where += `:${column}`;
  let text = where === '' ? what : `${where}: ${what}`;
  if (offset !== undefined) text += ` (at byte ${offset})`;
  if (address !== undefined) text += ` (address ${address})`;
  if (hint === undefined) return text;
  // The messages of other packages end with a full stop, and a suggestion with a question mark.
  return /[.?!]$/.test(text) ? `${text} ${hint}` : `${text}. ${hint}`;
}

/** The message of a thrown value: an error's message, or the value as a string. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether the error has this code. The codes of system errors are names such as ENOENT. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/**
 * The error as one that a user can act on: a StillhouseError as it is, and an error of the operating system (no such file, no permission, a
 * full disk) as `system.failed` with its file. Null for any other: it is a fault of the program.
 */
export function asStillhouseError(error: unknown): StillhouseError | null {
  if (error instanceof StillhouseError) return error;
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return null;
  const file = 'path' in error && typeof error.path === 'string' ? { file: error.path } : {};
  return new StillhouseError('system.failed', error.message, { ...file, cause: error });
}
