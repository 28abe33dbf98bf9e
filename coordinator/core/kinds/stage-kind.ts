/**
 * The one interface through which the core leads a stage of any kind. Owns types only. The sort of round that a kind
 * plans decides how the loss of a member is handled (../round-sort.ts).
 */

import type { PeerName } from '../../../src/config/peer.js';
import type { ReadyMember } from '../roster.js';
import type { StageNeeds, StageState } from '../stage.js';
import type { Turn } from '../turn.js';

/** The next thing that a stage without a round under way does. */
export type Next =
  /** The stage is done once its parameters, if it has its own, are on disk. */
  | { readonly type: 'done' }
  | {
      readonly type: 'round';
      /** The models that none of these students can take; while there is one, the stage waits. */
      missing(students: readonly ReadyMember[]): readonly PeerName[];
      /** Whether a teacher must be serving. */
      readonly isTaught: boolean;
      /** Whether the round trains; a checkpoint may then be due before it. */
      readonly isTraining: boolean;
      readonly start: StartRound;
    };

/** Begins a round with the ready students, of which none is missing. */
export type StartRound = (turn: Turn, students: readonly ReadyMember[]) => void;

/** The kind of a stage, made for the recipe of that stage. */
export interface StageKind {
  readonly needs: StageNeeds;
  /** The next thing that the stage does. Pure. */
  next(stage: StageState): Next;
  /** Called when no member and no disk holds the parameters: the stage goes back to a checkpoint, or the run fails. */
  onBaseLost(turn: Turn): void;
}
