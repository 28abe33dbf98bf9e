/**
 * The table of engines, and the functions to probe and to open one. A process has one current engine: tfjs keeps its
 * backend in a global variable, so every tensor that is made after `openEngine` belongs to that engine.
 */

import * as tf from '@tensorflow/tfjs-core';
import { ENGINE_NAMES, type EngineName } from '../config/schema.js';
import { messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import type { EngineProbe } from '../system/engine-probe.js';
import { cpuEngine } from './cpu.js';
import type { Engine, EngineMemory } from './engine.js';
import { tensorflowEngine } from './tensorflow.js';
import { wasmEngine } from './wasm.js';

const ENGINES: { readonly [Name in EngineName]: Engine<Name> } = {
  tensorflow: tensorflowEngine,
  wasm: wasmEngine,
  cpu: cpuEngine,
};

/** The engine that the process uses after `openEngine`. */
export interface OpenedEngine {
  readonly name: EngineName;
  /** A description; when `auto` chose the engine, also the reasons why the preferred ones cannot be used. */
  readonly note: string;
  /** Whether it computes on several threads; see {@link Engine}. */
  readonly isMultithreaded: boolean;
  /** Its memory; null where it cannot be measured. */
  readonly memory: EngineMemory | null;
}

/** Tries an engine on this machine. Never throws. Leaves tfjs's current backend as it was. */
export function probeEngine(name: EngineName): Promise<EngineProbe> {
  quieten();
  return ENGINES[name].probe();
}

/**
 * Loads an engine and makes it tfjs's backend. `auto` takes the first usable one in the order of preference. Opening the
 * engine that is open already changes nothing. `onTry` is called with each engine before it is loaded, because native code
 * that does not work here can end the process. Throws `engine.unusable`, with the reason and the user's next action.
 */
export async function openEngine(choice: EngineName | 'auto', onTry?: (name: EngineName) => void): Promise<OpenedEngine> {
  quieten();
  const passedOver: string[] = [];
  for (const name of choice === 'auto' ? ENGINE_NAMES : [choice]) {
    onTry?.(name);
    const probe = await ENGINES[name].probe();
    if (probe.usable) {
      await openProbed(name);
      const { isMultithreaded, memory } = ENGINES[name];
      return { name, note: [probe.note, ...passedOver].join('; not '), isMultithreaded, memory: memory?.() ?? null };
    }
    if (choice !== 'auto') throw new StillhouseError('engine.unusable', `the engine ${name} cannot be used here: ${probe.note}`);
    passedOver.push(`${name}: ${probe.note}`);
  }
  throw new StillhouseError('engine.unusable', `no engine can be used here: ${passedOver.join('; ')}`);
}

async function openProbed(name: EngineName): Promise<void> {
  try {
    await ENGINES[name].open();
  } catch (error) {
    throw new StillhouseError('engine.unusable', `the engine ${name} does not open: ${messageOf(error)}`, { cause: error });
  }
}

/** Production mode keeps tfjs from printing a greeting and recommendations on the console. */
function quieten(): void {
  tf.enableProdMode();
}
