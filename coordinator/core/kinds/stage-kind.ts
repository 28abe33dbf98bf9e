/**
 * The one interface through which the core leads a stage, whatever its kind. Owns types only. The sort of round that a kind
 * plans says how a member that is lost is dealt with (../round-sort.ts).
 */

import type { ReadyMember } from '../roster.js';
import type { StageNeeds, StageState } from '../stage.js';
import type { Turn } from '../turn.js';

/** The next thing that a stage with no round under way does. */
export type Next =
  /** Nothing: the stage is done once its parameters, if it has its own, are on disk. */
  | { readonly type: 'done' }
  | {
      readonly type: 'round';
      /** With fewer students than this the stage waits. */
      readonly studentsMin: number;
      /** Whether a teacher must be serving. */
      readonly isTaught: boolean;
      /** Whether a checkpoint may be due before it. */
      readonly isTraining: boolean;
      readonly start: StartRound;
    };

/** Begins a round with the students that are there, at least `studentsMin`. */
export type StartRound = (turn: Turn, students: readonly ReadyMember[]) => void;

/** A kind, for the recipe of one stage. */
export interface StageKind {
  readonly needs: StageNeeds;
  /** The next thing that the stage does. Pure. */
  next(stage: StageState): Next;
  /** Its parameters are nowhere any more: it goes back to where they are, or the run fails. */
  onBaseLost(turn: Turn): void;
}
