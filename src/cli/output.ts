/** The output of the command line: results go to the standard output, everything else to the standard error. */

export interface Output {
  /** Whether the standard output carries JSON lines and nothing else. */
  readonly json: boolean;
  /** Whether only errors and results are written. */
  readonly quiet: boolean;
  /** Whether a person watches the standard error on a terminal. */
  readonly isTerminal: boolean;
  /** Writes a line of the result to the standard output. */
  result(line: string): void;
  /** Writes a line about the progress to the standard error, unless quiet. */
  note(line: string): void;
  /** Writes an error or a warning to the standard error, also when quiet. */
  alert(line: string): void;
}

/** Opens the output of this process. */
export function openOutput(options: { readonly json: boolean; readonly quiet: boolean }): Output {
  return {
    ...options,
    isTerminal: process.stderr.isTTY === true,
    result: (line) => void process.stdout.write(`${line}\n`),
    note: (line) => {
      if (!options.quiet) process.stderr.write(`${line}\n`);
    },
    alert: (line) => void process.stderr.write(`${line}\n`),
  };
}
