/** The context of every command, and `action`, which turns the end of a command into the exit code of the process. */

import type { Command } from 'commander';
import type { Clock } from '../base/clock.js';
import { asStillhouseError } from '../errors/stillhouse-error.js';
import { EXIT } from '../errors/table.js';
import { type Output, openOutput } from './output.js';

export interface CliContext {
  readonly clock: Clock;
  /** The exit code of the process, set by `action`. */
  exitCode: number;
}

interface GlobalOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Makes an action for commander: it runs `body` and keeps its exit code. It prints a StillhouseError, and an error of the operating system; it rethrows all others. */
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
      const known = asStillhouseError(error);
      if (known === null) throw error;
      output.fail({ code: known.code, message: known.message, ...known.details });
      context.exitCode = known.exitCode;
    }
  };
}

/** Collects the values of an option that may be given several times. */
export function gather(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}

/** The description of the option `--quick` of the commands that check a recipe. */
export const QUICK = 'leave out the trial of a training step of each model';

/** The description of the option `--force` of the commands that run. */
export const FORCE = 'distil also from a teacher that is no better than guessing';

/** The examples under a command's help. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`;
}

/** The exit codes, for the help of commands that run until a run ends. */
export const EXIT_CODES = `
Exit codes: ${EXIT.done} done, ${EXIT.failed} failed, ${EXIT.usage} usage or recipe, ${EXIT.tryAgain} try again (resume), ${EXIT.hungUp}, ${EXIT.interrupted} or ${EXIT.terminated} stopped by a signal.`;
