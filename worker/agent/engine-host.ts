/** Starts engines for the agent: as child processes in real runs. A simulation has another host with the same interface. */

import { saysOutOfMemory } from '../../src/engines/out-of-memory.js';
import { type ChildEnd, startChild } from '../../src/process/child.js';
import type { MemorySign } from '../../src/process/engine-end.js';
import { NATIVE_GREETING } from '../../src/system/engine-environment.js';
import { haveRisen, memoryKills } from '../../src/system/kill-count.js';
import { isAddressSpaceLimited } from '../../src/system/memory-limit.js';
import type { FromEngine, ToEngine } from '../engine/engine-message.js';

export interface EngineHandlers {
  onMessage(message: FromEngine): void;
  /** Called once, when the engine has ended. */
  onExit(end: ChildEnd, sign?: MemorySign | null): void;
}

export interface EngineHandle {
  /** Sends a message. It is dropped when the engine has ended; `onExit` reports that. */
  send(message: ToEngine): void;
  /** Kills the engine at once by SIGKILL: it has no state worth saving, and a stuck engine reads no message. */
  kill(): void;
  /** Resolves when the engine has ended. Never rejects. */
  readonly ended: Promise<unknown>;
}

export interface EngineHost {
  start(handlers: EngineHandlers): EngineHandle;
}

/**
 * A host that starts engines as child processes, with these variables in their environment. They end by themselves when
 * this process ends.
 */
export function childEngineHost(env: Readonly<Record<string, string>>): EngineHost {
  return {
    start(handlers) {
      const kills = memoryKills();
      let hasSaid = false;
      const child = startChild<FromEngine, ToEngine>({
        ...{ module: 'worker/engine/main.js', args: [], env, hideLines: NATIVE_GREETING },
        onErrorText: (text) => {
          hasSaid ||= saysOutOfMemory(text);
        },
      });
      child.onMessage((message) => handlers.onMessage(message));
      child.onExit((end) => {
        const isKilled = end.signal === 'SIGKILL' && haveRisen(kills, memoryKills());
        handlers.onExit(end, isKilled ? 'killed' : signOf(end, hasSaid));
      });
      return {
        ended: child.ended,
        send: (message) => void child.send(message),
        kill: () => child.kill('SIGKILL'),
      };
    },
  };
}

/** The sign of an end by native code itself. */
function signOf({ signal }: ChildEnd, hasSaid: boolean): MemorySign | null {
  if (signal === null || signal === 'SIGKILL' || signal === 'SIGTERM') return null;
  if (hasSaid) return 'said';
  return isAddressSpaceLimited() ? 'limited' : null;
}
