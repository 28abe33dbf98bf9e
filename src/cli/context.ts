/** What every command gets, and how its end becomes the exit code of the process. */

import type { Command } from 'commander';
import type { Clock } from '../base/clock.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { EXIT } from '../errors/table.js';
import { type Output, openOutput } from './output.js';

export interface CliContext {
  readonly clock: Clock;
  /** Set by the command that ran. */
  exitCode: number;
}

interface GlobalOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** An action of commander that runs `body` and keeps its exit code. Errors that users meet are told, others pass. */
export function action<Options>(
  context: CliContext,
  body: (input: { readonly args: readonly string[]; readonly options: Options; readonly output: Output }) => Promise<number>,
): (...passed: unknown[]) => Promise<void> {
  return async (...passed) => {
    const command = passed.at(-1) as Command;
    const { json = false, quiet = false } = command.optsWithGlobals<GlobalOptions>();
    const output = openOutput({ json, quiet });
    try {
      context.exitCode = await body({ args: command.args, options: command.opts<Options & object>(), output });
    } catch (error) {
      if (!(error instanceof StillhouseError)) throw error;
      // A message that begins with its place stays clickable.
      output.alert(error.details.file === undefined ? `error (${error.code}): ${error.message}` : error.message);
      context.exitCode = error.exitCode;
    }
  };
}

/** Gathers the values of an option that may be given several times. */
export function gather(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}

/** The examples under a command's help. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`;
}

/** Exit codes, for the help of commands that run for long. */
export const EXIT_CODES = `
Exit codes: ${EXIT.done} done, ${EXIT.failed} failed, ${EXIT.usage} usage or recipe, ${EXIT.tryAgain} try again (resume), ${EXIT.interrupted} or ${EXIT.terminated} stopped by a signal.`;
