/** The services that both roles work with: the identity of the worker, the recipe, the connections, the clock, the meter. One per engine process. */

import { present } from '../../src/base/assert.js';
import type { Clock } from '../../src/base/clock.js';
import type { Incarnation, Term } from '../../src/base/ids.js';
import { MODEL_PEER, type PeerName, spellPeer } from '../../src/config/peer.js';
import type { EngineName, Recipe, StageRecipe, TrainingStage } from '../../src/config/schema.js';
import { isTrainingStage } from '../../src/config/stage-kinds.js';
import type { EngineMemory } from '../../src/engines/engine.js';
import { isOutOfMemory } from '../../src/engines/out-of-memory.js';
import { messageOf, StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { LogFields, Logger } from '../../src/log/logger.js';
import { cutText } from '../../src/protocol/field.js';
import { userFault, userModules } from '../../src/recipe/user-fault.js';
import type { Connections } from './connections.js';
import type { Meter } from './meter.js';
import type { EngineReport } from './orders.js';
import type { SharedLoader } from './shared-loader.js';
import type { SplitCache } from './split-cache.js';

export interface EngineContext {
  /** The worker's name. */
  readonly worker: string;
  readonly term: Term;
  readonly incarnation: Incarnation;
  readonly recipe: Recipe;
  /** The engine that is open, and the number of threads that it really uses. */
  readonly compute: { readonly engine: EngineName; readonly threads: number };
  /** The memory of that engine; null where it cannot be measured. */
  readonly memory: EngineMemory | null;
  /** The address of the coordinator's data plane. */
  readonly dataEndpoint: string;
  readonly clock: Clock;
  readonly connections: Connections;
  /** The elements of a state that are asked for, or sent, in one message. */
  readonly partElements: number;
  readonly splits: SplitCache;
  readonly loaders: SharedLoader;
  readonly meter: Meter;
  readonly logger: Logger;
  /** Tells the agent the engine's progress at once. Otherwise the agent hears of it several times a second. */
  showProgress(): void;
  /** Sends a report to the coordinator, through the agent. */
  report(message: ReportBody): void;
  /** For a bug or a broken runtime: ends the process, and the agent starts another. */
  crash(error: unknown): void;
}

type Body<M> = M extends unknown ? Omit<M, 'term' | 'incarnation'> : never;
/** A report as a role writes it. The context adds the term and the incarnation. */
export type ReportBody = Body<EngineReport>;

/** The recipe of a stage that trains; all its peers see the same samples. Throws protocol.invalid for any other stage. */
export function trainingStage({ recipe }: EngineContext, name: string): TrainingStage {
  const stage = present(recipe.stages[name], `stage ${name}`);
  if (isTrainingStage(stage)) return stage;
  throw new StillhouseError('protocol.invalid', `stage ${name} trains no model`);
}

/** The stage that has taken this model into the run. Throws protocol.invalid for any other model. */
export function loadStage({ recipe }: EngineContext, name: PeerName): Extract<StageRecipe, { kind: 'load' }> {
  const stage = Object.hasOwn(recipe.stages, name.stage) ? recipe.stages[name.stage] : undefined;
  if (stage?.kind === 'load' && name.peer === MODEL_PEER) return stage;
  throw new StillhouseError('protocol.invalid', `no stage has the model ${spellPeer(name)}`);
}

/**
 * Reports an error that a person or the coordinator can act on, one of a user's module too, and the engine lives on; any other ends the engine. The
 * fields of `work` say in the log which work failed.
 */
export function reportFailure(context: EngineContext, error: unknown, work: LogFields = {}): void {
  const known = error instanceof StillhouseError ? error : (plainMemoryFault(error) ?? userFault(error, userModules(context.recipe)));
  if (known === null) {
    context.crash(error);
    return;
  }
  context.logger.error('work.failed', { ...work, code: known.code, error: known });
  context.report({ type: 'worker.failed', code: known.code, message: cutText(known.message) });
}

/** The error of a process whose memory ran out where it is not known for which batch; null for any other error. */
export function plainMemoryFault(error: unknown): StillhouseError | null {
  if (!isOutOfMemory(error)) return null;
  const hint =
    'Begin a new run with a smaller batch, or give the engine more memory: fewer workers or threads on the machine, a higher limit';
  return new StillhouseError('engine.outOfMemory', `the memory of the process ran out: ${messageOf(error)}`, { hint, cause: error });
}
