/** The common part of the kinds of stage that work on the finished model of another stage, and train nothing. */

import { type PeerName, peerNamed } from '../../../src/config/peer.js';
import { finish } from '../ending.js';
import type { StageNeeds } from '../stage.js';
import { stageOf, type Turn } from '../turn.js';

/** The needs of a stage about the finished model that its `of` names. */
export function needsOfFinished(of: string): StageNeeds & { readonly of: PeerName } {
  return { peers: [], of: peerNamed(of), init: new Map(), teacher: null, training: null, checkpointEvery: Number.POSITIVE_INFINITY };
}

/** The model that lacks a student: one is enough. */
export function unlessOne(students: readonly unknown[], model: PeerName): readonly PeerName[] {
  return students.length > 0 ? [] : [model];
}

/** The checkpoint of the finished model does not load: there is no older one, so the run fails. */
export function failWithoutBase(turn: Turn): void {
  const { name, needs } = stageOf(turn);
  const message = `stage ${name}: the checkpoint of stage ${needs.of?.stage ?? name} does not load, and there is no other`;
  finish(turn, { outcome: 'failed', code: 'checkpoint.damaged', message });
}
