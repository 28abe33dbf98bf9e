/**
 * The name of parameters, everywhere: on the wire, in the journal, as a checkpoint's folder. A stage
 * trains one or more peers (models), and each commit of the stage makes a state of each of them.
 *
 * Invariant: the rounds of a run's commits have ids that are unique in the run, and a stage whose model was given has no other state than that
 * one (GIVEN_ROUND). So a name means the same parameters while the commit stands. Term and incarnation guard against the remains of a
 * commit that was undone.
 */

import { z } from 'zod';
import { MODEL_PEER } from '../config/peer.js';
import { field } from './field.js';

export const stateNameSchema = z.strictObject({
  stage: field.stage,
  /** The name of one of the stage's models. */
  peer: field.peer,
  /** The round whose commit made the parameters; 0 for the stage's initial ones, which every worker can build. */
  round: field.count,
});
export type StateName = Readonly<z.infer<typeof stateNameSchema>>;

/** The round of the parameters that a run was given for a stage: no commit made them. */
export const GIVEN_ROUND = 1;

/** Whether both names mean the same parameters. */
export function isSameState(a: StateName, b: StateName): boolean {
  return a.stage === b.stage && a.peer === b.peer && a.round === b.round;
}

/** The name in words, for logs and errors: "stage base, round 3", and with the peer where the stage may have several. */
export function describeState({ stage, peer, round }: StateName): string {
  return peer === MODEL_PEER ? `stage ${stage}, round ${round}` : `peer ${peer} of stage ${stage}, round ${round}`;
}
