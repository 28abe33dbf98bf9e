/** Where the command line writes: results to the standard output, everything else to the standard error. */

export interface Output {
  /** One JSON document a line on the standard output, and nothing else there. */
  readonly json: boolean;
  /** Only errors and results. */
  readonly quiet: boolean;
  /** Whether a person watches the standard error on a terminal. */
  readonly isTerminal: boolean;
  /** What was asked for: a line of the standard output. */
  result(line: string): void;
  /** What goes on: a line of the standard error, unless quiet. */
  note(line: string): void;
  /** What went wrong, or must be seen: a line of the standard error. */
  alert(line: string): void;
}

/** The output of this process. */
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
