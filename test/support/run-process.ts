/**
 * The command line as a process of its own: its output line by line, its end, and waits that are over at a deadline
 * with the last output in their message. It leads a process group, as a command at a terminal does.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { assert } from '../../src/base/assert.js';
import { distFolder } from '../../src/process/package-folder.js';
import type { RunSummary } from '../../src/protocol/parent.js';
import type { Report } from '../../src/protocol/report.js';

/** A line of the standard output with --json. */
export type OutputLine =
  | Report
  | { readonly type: 'listening'; readonly endpoint: string; readonly run: string }
  | {
      readonly type: 'export';
      readonly stage: string;
      readonly round: number;
      readonly epoch: number | null;
      readonly accuracy: number | null;
    }
  | ({ readonly type: 'summary' } & RunSummary);

export type LineOf<T extends OutputLine['type']> = Extract<OutputLine, { type: T }>;

/** No wait in these tests is longer than this: it ends those that hang, on a loaded machine too. */
export const WAIT_MS = 120_000;
/** After its end. */
const LAST_OUTPUT_MS = 500;
const SHOWN_LINES = 25;

export interface RunProcessOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** The command that starts it in its place, such as one that puts it into another network. */
  readonly launcher?: readonly string[];
  /** The longest wait, where a test injects faults that last long. */
  readonly waitMs?: number;
}

export class RunProcess {
  readonly command: string;
  stdout = '';
  stderr = '';
  readonly #child: ChildProcess;
  readonly #lines: OutputLine[] = [];
  #parsedTo = 0;
  readonly #watchers = new Set<() => void>();
  readonly #waitMs: number;
  #end: number | NodeJS.Signals | null = null;

  constructor(args: readonly string[], { env = {}, cwd, launcher = [], waitMs = WAIT_MS }: RunProcessOptions = {}) {
    this.command = `stillhouse ${args.join(' ')}`;
    this.#waitMs = waitMs;
    const [program = process.execPath, ...rest] = [...launcher, process.execPath, join(distFolder, 'src/cli/main.js'), ...args];
    this.#child = spawn(program, rest, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#look();
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#look();
    });
    const end = (code: number | null, signal: NodeJS.Signals | null): void => {
      this.#end ??= code ?? signal;
      this.#look();
    };
    // With the last of its output; but what it has left alive writes there too, and is not waited for.
    this.#child.on('close', end);
    this.#child.on('exit', (...how) => setTimeout(() => end(...how), LAST_OUTPUT_MS).unref());
  }

  get pid(): number {
    assert(this.#child.pid !== undefined, `${this.command} did not start`);
    return this.#child.pid;
  }

  /** The exit code, or the signal that ended it. */
  exit(): Promise<number | NodeJS.Signals> {
    return this.#until('end', () => this.#end ?? undefined, { alsoAfterEnd: true });
  }

  /** The first of the lines of this type that fits. */
  said<T extends OutputLine['type']>(type: T, fits: (line: LineOf<T>) => boolean = () => true): Promise<LineOf<T>> {
    return this.#until(`say ${type}`, () => this.linesOf(type).find(fits));
  }

  /** The standard error contains this. */
  told(text: string): Promise<true> {
    return this.#until(`tell "${text}"`, () => this.stderr.includes(text) || undefined);
  }

  /** The standard output of --json, parsed. Throws at a line that is no JSON. The last one may still be on its way. */
  lines(): readonly OutputLine[] {
    const end = this.stdout.lastIndexOf('\n') + 1;
    for (const line of this.stdout.slice(this.#parsedTo, end).split('\n')) {
      if (line !== '') this.#lines.push(JSON.parse(line) as OutputLine);
    }
    this.#parsedTo = end;
    return this.#lines;
  }

  linesOf<T extends OutputLine['type']>(type: T): readonly LineOf<T>[] {
    return this.lines().filter((line): line is LineOf<T> => line.type === type);
  }

  /** A signal to this process alone. */
  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** What Ctrl-C does at a terminal: SIGINT to every process of the group at once. */
  interrupt(): void {
    process.kill(-this.pid, 'SIGINT');
  }

  #look(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  #until<T>(what: string, find: () => T | undefined, { alsoAfterEnd = false } = {}): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void): void => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        finish();
      };
      const look = (): void => {
        try {
          const found = find();
          if (found !== undefined) settle(() => resolve(found));
          else if (this.#end !== null && !alsoAfterEnd) settle(() => reject(this.#error(`ended (${this.#end}) and did not ${what}`)));
        } catch (error) {
          settle(() => reject(error));
        }
      };
      const timer = setTimeout(() => settle(() => reject(this.#error(`did not ${what} within ${this.#waitMs} ms`))), this.#waitMs);
      this.#watchers.add(look);
      look();
    });
  }

  #error(what: string): Error {
    const tail = (text: string): string => text.trimEnd().split('\n').slice(-SHOWN_LINES).join('\n');
    return new Error(`${this.command} ${what}\n--- stdout\n${tail(this.stdout)}\n--- stderr\n${tail(this.stderr)}`);
  }
}
