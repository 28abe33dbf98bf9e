/** Performs the effects of the core. Each effect is done, or on the disk, when the promise resolves. */

import { assertNever } from '../../src/base/assert.js';
import type { CheckpointStore } from '../../src/checkpoint/store.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { Logger } from '../../src/log/logger.js';
import type { CoordinatorMessage } from '../../src/protocol/control.js';
import type { Report } from '../../src/protocol/report.js';
import type { ControlServer } from './control-server.js';
import type { DataStore } from './data-store.js';
import type { Exporter } from './exporter.js';
import type { Journal } from './journal.js';
import type { OuterEffect } from './runner.js';
import type { HeldTerm } from './term.js';

export interface Outside {
  readonly term: HeldTerm;
  readonly control: Pick<ControlServer, 'send'>;
  readonly data: Pick<DataStore, 'expect'>;
  readonly journal: Pick<Journal, 'append'>;
  readonly exporter: Pick<Exporter, 'begin'>;
  readonly store: Pick<CheckpointStore, 'retain'>;
  readonly logger: Logger;
  /** Sends a report to the parent, and appends it to metrics.jsonl. */
  report(report: Report): Promise<void>;
}

/** Performs one effect. Throws `run.unwritable`, and `run.busy` before anything is written for a term that is over. */
export async function performEffect(outside: Outside, effect: OuterEffect): Promise<void> {
  switch (effect.type) {
    case 'send':
      return send(outside, effect.connection, effect.message);
    case 'journal':
      outside.term.requireNewest();
      return outside.journal.append(effect.record);
    case 'log':
      return outside.logger[effect.level](effect.event, effect.fields);
    case 'report':
      return outside.report(effect.report);
    case 'export':
      return outside.exporter.begin(effect);
    case 'retain':
      return retain(outside, effect.stage, effect.rounds);
    default:
      return assertNever(effect, 'effect');
  }
}

/** A message that is not delivered is logged and not repeated: the member's lease or a deadline of the core will notice. */
function send({ control, data, logger }: Outside, connection: string, message: CoordinatorMessage): void {
  // Before the message is sent, so that the worker's put cannot come too early.
  data.expect(message);
  const outcome = control.send(connection, message);
  if (outcome !== 'queued') logger.warn('message.undelivered', { connection, message: message.type, outcome });
}

/** Deletes old checkpoints. One that cannot be deleted takes room and does no other harm, so it is only logged. */
async function retain({ store, term, logger }: Outside, stage: string, rounds: readonly number[]): Promise<void> {
  term.requireNewest();
  try {
    await store.retain(stage, rounds);
  } catch (error) {
    if (error instanceof StillhouseError) throw error;
    logger.warn('checkpoint.undeleted', { stage, error });
  }
}
