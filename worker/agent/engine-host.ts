/** Where engines run, as the agent sees it: a child process in earnest, anything that speaks the same in a simulation. */

import { type ChildEnd, startChild } from '../../src/process/child.js';
import { NATIVE_GREETING } from '../../src/system/engine-environment.js';
import type { FromEngine, ToEngine } from '../engine/messages.js';

export interface EngineHandlers {
  onMessage(message: FromEngine): void;
  /** Called once. */
  onExit(end: ChildEnd): void;
}

export interface EngineHandle {
  /** A message to an engine that is gone is dropped: its end is reported. */
  send(message: ToEngine): void;
  /** At once and for certain: an engine holds nothing worth saving, and a stuck one hears nothing. */
  kill(): void;
  readonly ended: Promise<unknown>;
}

export interface EngineHost {
  start(handlers: EngineHandlers): EngineHandle;
}

/**
 * Engines as child processes of this one, with these variables in their environment. They end by themselves when this
 * process does.
 */
export function childEngineHost(env: Readonly<Record<string, string>>): EngineHost {
  return {
    start(handlers) {
      const child = startChild<FromEngine, ToEngine>({ module: 'worker/engine/main.js', args: [], env, hideLines: NATIVE_GREETING });
      child.onMessage((message) => handlers.onMessage(message));
      child.onExit((end) => handlers.onExit(end));
      return {
        ended: child.ended,
        send: (message) => void child.send(message),
        kill: () => child.kill('SIGKILL'),
      };
    },
  };
}
