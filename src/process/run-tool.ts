/** Runs a program of the machine (a compiler, pip) to its end, and keeps its output. It uses no shell, so paths may have spaces. */

import { type ChildProcess, spawn } from 'node:child_process';

/** A program that does not end after SIGINT is killed after this time. */
const LAST_MS = 3_000;

export interface ToolOptions {
  /** Its whole environment. */
  readonly env: NodeJS.ProcessEnv;
  /** The text for its standard input; empty when left out. */
  readonly input?: string;
  /** Ends the program by SIGINT, as Ctrl-C does, and by SIGKILL 3 s later. */
  readonly signal?: AbortSignal;
}

export interface ToolEnd {
  /** Null when a signal ended it, or it could not be started. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a command: its program, then its arguments. Never rejects: a program that cannot be started ends with neither code
 * nor signal, and the reason is in `stderr`.
 */
export function runTool([program = '', ...args]: readonly string[], { env, input, signal }: ToolOptions): Promise<ToolEnd> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    const said = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        said[name] += text;
      });
    }
    // A program that does not read its input closes the pipe. Its own end tells whether that was an error.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    const abort = (): void => endSoon(child);
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort);
    child.on('error', (error) => {
      if (child.pid === undefined) resolve({ code: null, signal: null, stdout: '', stderr: error.message });
    });
    child.on('close', (code, killedBy) => {
      signal?.removeEventListener('abort', abort);
      resolve({ code, signal: killedBy, ...said });
    });
  });
}

function endSoon(child: ChildProcess): void {
  if (child.killed) return;
  child.kill('SIGINT');
  const timer = setTimeout(() => child.kill('SIGKILL'), LAST_MS);
  child.on('exit', () => clearTimeout(timer));
}
