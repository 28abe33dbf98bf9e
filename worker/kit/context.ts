/** The things that both roles work with: who they are, the recipe, the connections, the clock, the meter. One per engine process. */

import { present } from '../../src/base/assert.js';
import type { Clock } from '../../src/base/clock.js';
import type { Incarnation, Term } from '../../src/base/ids.js';
import type { EngineName, Recipe, TrainingStage } from '../../src/config/schema.js';
import { isTrainingStage } from '../../src/config/stage-kinds.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { LogFields, Logger } from '../../src/log/logger.js';
import { cutText } from '../../src/protocol/field.js';
import type { Connections } from './connections.js';
import type { Meter } from './meter.js';
import type { EngineReport } from './orders.js';
import type { SharedLoader } from './shared-loader.js';
import type { SplitCache } from './split-cache.js';

export interface EngineContext {
  readonly term: Term;
  readonly incarnation: Incarnation;
  readonly recipe: Recipe;
  /** The engine that is open, and the threads that it really uses. */
  readonly compute: { readonly engine: EngineName; readonly threads: number };
  /** The coordinator's data plane. */
  readonly dataEndpoint: string;
  readonly clock: Clock;
  readonly peers: Connections;
  readonly splits: SplitCache;
  readonly loaders: SharedLoader;
  readonly meter: Meter;
  readonly logger: Logger;
  /** Tells the agent at once how far the engine is, as it does several times a second anyway. */
  showProgress(): void;
  /** To the coordinator, by way of the agent. */
  report(message: ReportBody): void;
  /** A bug, or a broken runtime: the process ends, and the agent starts another. */
  crash(error: unknown): void;
}

type Body<M> = M extends unknown ? Omit<M, 'term' | 'incarnation'> : never;
/** A report as a role writes it: the context adds whose it is. */
export type ReportBody = Body<EngineReport>;

/** The stage's recipe. The coordinator names only stages that train a model. */
export function trainingStage({ recipe }: EngineContext, name: string): TrainingStage {
  const stage = present(recipe.stages[name], `stage ${name}`);
  if (isTrainingStage(stage)) return stage;
  throw new StillhouseError('protocol.invalid', `stage ${name} has no model of its own`);
}

/**
 * An error that a person or the coordinator can act on is reported, and the engine lives on; any other ends it. `work`
 * says in the log what failed.
 */
export function reportFailure(context: EngineContext, error: unknown, work: LogFields = {}): void {
  if (!(error instanceof StillhouseError)) {
    context.crash(error);
    return;
  }
  context.logger.error('work.failed', { ...work, code: error.code, error });
  context.report({ type: 'worker.failed', code: error.code, message: cutText(error.message) });
}
