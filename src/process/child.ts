/**
 * The parent's end: starts a compiled entry of the program as a child process with a channel, and says how it ended.
 * The channel carries structured clones, so typed arrays arrive as what they are. When this process dies the channel
 * closes, and the child ends by itself (parent-link.ts).
 */

import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { assert } from '../base/assert.js';
import { forwardLines } from './forward-lines.js';
import { distFolder } from './package-folder.js';

/** How a process ended: by itself with a code, or by a signal. */
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
  /** Where its standard output goes; the standard error is always this process's own. By default to the standard error. */
  readonly stdout?: 'stderr' | 'inherit' | 'ignore';
  /** Lines of its standard error that do not get there. */
  readonly hideLines?: RegExp;
}

/** A running child that sends `In` and understands `Out`. */
export interface Child<In, Out> {
  readonly pid: number;
  /** Queues a message. False when the child is gone, or going: it will not get this message. */
  send(message: Out): boolean;
  onMessage(handler: (message: In) => void): void;
  /** Called once, when the process has ended and its last message was delivered; at the next turn if that is so already. */
  onExit(handler: (end: ChildEnd) => void): void;
  /** Sends a signal; does nothing when the process has ended. */
  kill(signal: NodeJS.Signals): void;
  /** Resolves when the process has ended; never rejects. */
  readonly ended: Promise<ChildEnd>;
}

/** Starts a child. Throws InvariantError when the entry is not there (the program is not compiled). */
export function startChild<In, Out>(options: ChildOptions): Child<In, Out> {
  const file = join(distFolder, options.module);
  assert(existsSync(file), `${file} is missing: compile the program first (npm run build)`);
  const output = { stderr: 2, inherit: 1, ignore: 'ignore' } as const;
  const { hideLines } = options;
  const child = fork(file, [...options.args], {
    // Flags of this process (a debugger's port, a test runner's loaders) are not the child's.
    execArgv: [],
    env: { ...process.env, ...options.env },
    stdio: ['ignore', output[options.stdout ?? 'stderr'], hideLines === undefined ? 2 : 'pipe', 'ipc'],
    serialization: 'advanced',
  });
  if (hideLines !== undefined && child.stderr !== null) forwardLines(child.stderr, process.stderr, hideLines);
  return childOf<In, Out>(child);
}

function childOf<In, Out>(child: ChildProcess): Child<In, Out> {
  const ended = new Promise<ChildEnd>((resolve) => {
    // Without a process id nothing was started and 'exit' never comes: 'error' is its end.
    child.on('error', () => {
      if (child.pid === undefined) resolve({ code: null, signal: null });
    });
    // 'close' comes after the channel is read to its end, 'exit' may come before.
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
