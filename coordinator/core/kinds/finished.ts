/** The common part of the kinds of stage that work on the finished model of another stage, and train nothing. */

import { modelOf, type PeerName } from '../../../src/protocol/state-name.js';
import { finish } from '../ending.js';
import type { StageNeeds } from '../stage.js';
import { stageOf, type Turn } from '../turn.js';

/** The needs of a stage about the model of the stage `of`. */
export function needsOfFinished(of: string): StageNeeds & { readonly of: PeerName } {
  return { peers: [], of: modelOf(of), teacher: null, training: null, checkpointEvery: Number.POSITIVE_INFINITY };
}

/** The checkpoint of the other stage does not load: there is no older one, so the run fails. */
export function failWithoutBase(turn: Turn): void {
  const { name, needs } = stageOf(turn);
  const message = `stage ${name}: the checkpoint of stage ${needs.of?.stage} does not load, and there is no other`;
  finish(turn, { outcome: 'failed', code: 'checkpoint.damaged', message });
}
