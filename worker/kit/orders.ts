/**
 * The messages of the protocol that reach an engine, and those that it sends. They pass through the agent unchanged: an order
 * comes from the coordinator, a report goes to it. Owns the types only.
 */

import type { CoordinatorMessageOf, WorkerMessageOf } from '../../src/protocol/control.js';

/** The coordinator's messages that are for the engine. */
export type EngineOrder = CoordinatorMessageOf<
  | 'coordinator.assign'
  | 'coordinator.link'
  | 'coordinator.average'
  | 'coordinator.commit'
  | 'coordinator.save'
  | 'coordinator.abandon'
  | 'coordinator.conclude'
  | 'coordinator.serve'
>;

/** The worker's messages that come from the engine. */
export type EngineReport = WorkerMessageOf<
  | 'worker.ready'
  | 'worker.prepared'
  | 'worker.trained'
  | 'worker.notFinite'
  | 'worker.averaged'
  | 'worker.unreachable'
  | 'worker.evaluated'
  | 'worker.serving'
  | 'worker.failed'
>;
