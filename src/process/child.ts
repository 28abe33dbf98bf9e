/**
 * The parent's side of a child process: starts a compiled entry of the program with a channel, and tells how it ended.
 * The channel carries structured clones, so a typed array arrives as a typed array. When this process dies, the channel
 * closes and the child ends by itself (parent-link.ts).
 */

import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { assert } from '../base/assert.js';
import { forwardLines } from './forward-lines.js';
import { distFolder } from './package-folder.js';

/** How a process ended: by itself with a code, or by a signal. Both are null when it could not be started. */
export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ChildOptions {
  /** The compiled entry, from the folder of the compiled program: 'coordinator/main.js'. */
  readonly module: string;
  readonly args: readonly string[];
  /** Added to this process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** The destination of its standard output, by default `stderr`. Its standard error always goes to this process's own. */
  readonly stdout?: 'stderr' | 'inherit' | 'ignore';
  /** Lines of its standard error that are dropped. */
  readonly hideLines?: RegExp;
  /** Takes the text of its standard error as it comes. Only with `hideLines`. */
  readonly onErrorText?: (text: string) => void;
}

/** A running child that sends `In` and understands `Out`. */
export interface Child<In, Out> {
  readonly pid: number;
  /** Queues a message. False when the child has ended or is ending, and will not get the message. */
  send(message: Out): boolean;
  onMessage(handler: (message: In) => void): void;
  /**
   * Calls `handler` once, when the process has ended and its last message was delivered. If it has ended already, the
   * call comes at the next turn of the event loop.
   */
  onExit(handler: (end: ChildEnd) => void): void;
  /** Sends a signal; does nothing when the process has ended. */
  kill(signal: NodeJS.Signals): void;
  /** Resolves when the process has ended; never rejects. */
  readonly ended: Promise<ChildEnd>;
}

/** Starts a child. Throws InvariantError when the entry does not exist, because the program is not compiled. */
export function startChild<In, Out>(options: ChildOptions): Child<In, Out> {
  const file = join(distFolder, options.module);
  assert(existsSync(file), `${file} is missing: compile the program first (npm run build)`);
  const output = { stderr: 2, inherit: 1, ignore: 'ignore' } as const;
  const { hideLines, onErrorText } = options;
  const child = fork(file, [...options.args], {
    // Flags of this process (a debugger's port, a test runner's loaders) are not the child's.
    execArgv: [],
    env: { ...process.env, ...options.env },
    stdio: ['ignore', output[options.stdout ?? 'stderr'], hideLines === undefined ? 2 : 'pipe', 'ipc'],
    serialization: 'advanced',
  });
  if (hideLines !== undefined && child.stderr !== null) {
    forwardLines(child.stderr, process.stderr, hideLines);
    if (onErrorText !== undefined) child.stderr.on('data', onErrorText);
  }
  return childOf<In, Out>(child);
}

function childOf<In, Out>(child: ChildProcess): Child<In, Out> {
  const ended = new Promise<ChildEnd>((resolve) => {
    // Without a process id, nothing was started and 'close' never comes.
    child.on('error', () => {
      if (child.pid === undefined) resolve({ code: null, signal: null });
    });
    // 'close' comes after the channel is read to its end; 'exit' may come before that.
    child.on('close', (code, signal) => resolve({ code, signal }));
  });
  return {
    pid: child.pid ?? 0,
    ended,
    send(message) {
      if (!child.connected) return false;
      // The callback takes errors of the channel; the child's end is reported by `ended`.
      child.send(message as object, undefined, undefined, () => {});
      return true;
    },
    onMessage(handler) {
      child.on('message', (message) => handler(message as In));
    },
    onExit(handler) {
      void ended.then(handler);
    },
    kill(signal) {
      child.kill(signal);
    },
  };
}

/** How a process ended, in words: "exit code 1", "signal SIGKILL". */
export function describeEnd(end: ChildEnd): string {
  if (end.signal !== null) return `signal ${end.signal}`;
  return end.code === null ? 'could not be started' : `exit code ${end.code}`;
}
