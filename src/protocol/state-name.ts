/**
 * The name of parameters, everywhere: on the wire, in the journal, as a checkpoint's folder. A stage
 * trains one or more peers (models), and each commit of the stage makes a state of each of them.
 *
 * Invariant: round ids are unique in a run, so a name means the same parameters while the commit stands. Term and
 * incarnation guard against the remains of a commit that was undone.
 */

import { z } from 'zod';
import { field } from './field.js';

/** The one peer of a stage that trains one model: every stage of kind train or distil. */
export const MODEL_PEER = 'model';

export const stateNameSchema = z.strictObject({
  stage: field.stage,
  /** The name of one of the stage's models. */
  peer: field.peer,
  /** The round whose commit made the parameters; 0 for the stage's initial ones, which every worker can build. */
  round: field.count,
});
export type StateName = Readonly<z.infer<typeof stateNameSchema>>;

/** A model: a peer of a stage. */
export type PeerName = Pick<StateName, 'stage' | 'peer'>;

/** The model that a recipe means where it names a stage, as its teacher or as the one to test or to export. */
export function modelOf(stage: string): PeerName {
  return { stage, peer: MODEL_PEER };
}

/** Whether both names mean the same parameters. */
export function isSameState(a: StateName, b: StateName): boolean {
  return a.stage === b.stage && a.peer === b.peer && a.round === b.round;
}

/** The name in words, for logs and errors: "stage base, round 3", and with the peer where the stage may have several. */
export function describeState({ stage, peer, round }: StateName): string {
  return peer === MODEL_PEER ? `stage ${stage}, round ${round}` : `peer ${peer} of stage ${stage}, round ${round}`;
}
