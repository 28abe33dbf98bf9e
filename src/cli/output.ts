/** The output of the command line: results go to the standard output, everything else to the standard error. */

import type { ErrorDetails } from '../errors/stillhouse-error.js';
import type { ErrorCode } from '../errors/table.js';

export interface Output {
  /** Whether the standard output carries JSON lines and nothing else. */
  readonly json: boolean;
  /** Whether only errors and results are written. */
  readonly quiet: boolean;
  /** Whether a person watches the standard error on a terminal. */
  readonly isTerminal: boolean;
  /** The width of the terminal that the standard output is; left out where it is none. */
  readonly columns?: number;
  /** Writes a line of the result to the standard output. */
  result(line: string): void;
  /** Writes a line about the progress to the standard error, unless quiet. */
  note(line: string): void;
  /** Writes a warning to the standard error, also when quiet. */
  alert(line: string): void;
  /** Writes an error to the standard error, also when quiet; with JSON also as a line of type `error` to the standard output. */
  fail(error: CommandError): void;
}

/** An error that a command ends with, with its place as far as it is known. */
export interface CommandError extends ErrorDetails {
  readonly code: ErrorCode;
  readonly message: string;
}

/** Writes the error as a line of JSON to the standard output. */
export function tellAsJson(error: CommandError): void {
  process.stdout.write(`${JSON.stringify({ type: 'error', ...error })}\n`);
}

/** Opens the output of this process. */
export function openOutput(options: { readonly json: boolean; readonly quiet: boolean }): Output {
  const alert = (line: string): void => void process.stderr.write(`${line}\n`);
  return {
    ...options,
    isTerminal: process.stderr.isTTY === true,
    ...(process.stdout.isTTY === true && process.stdout.columns > 0 ? { columns: process.stdout.columns } : {}),
    result: (line) => void process.stdout.write(`${line}\n`),
    note: (line) => {
      if (!options.quiet) process.stderr.write(`${line}\n`);
    },
    alert,
    fail(error) {
      if (options.json) tellAsJson(error);
      // Editors make a link of a message that begins with a file.
      alert(error.file === undefined ? `error (${error.code}): ${error.message}` : error.message);
    },
  };
}
