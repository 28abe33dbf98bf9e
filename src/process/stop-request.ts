/**
 * The wish that this process ends, from a signal or from its parent. The first wish asks for an end in order; what one
 * more means depends on who may say it. What an end in order is, and what ends at once, is the caller's.
 */

import type { Clock, TimerHandle } from '../base/clock.js';
import { onSignal, type StopSignal } from './signal.js';

/**
 * A signal so soon after the first is the same wish: a launcher such as npm passes on to its child what the terminal has
 * sent to the whole process group.
 */
const SAME_WISH_MS = 100;

export interface SignalWish {
  readonly clock: Pick<Clock, 'after'>;
  /** Called once. */
  ask(signal: StopSignal): void;
  /** Called once, a moment after `ask`: from here on one more signal counts, and the user may be told so. */
  offerForce?(): void;
  /** Called with each signal that counts. */
  force(signal: StopSignal): void;
}

export interface StopRequest extends SignalWish {
  /** Called once, with the signal's name or the parent's reason. */
  ask(reason: string): void;
  /** Called with each signal that counts, and with each wish of the parent for the end at once. */
  force(reason: string): void;
}

/** Takes SIGINT and SIGTERM as the wish of a user, who may wish twice. Returns a function that takes it off again. */
export function onStopSignal(wish: SignalWish): () => void {
  let sameWish: TimerHandle | null = null;
  let isForceOffered = false;
  const offSignal = onSignal(['SIGINT', 'SIGTERM'], (signal) => {
    if (isForceOffered) wish.force(signal);
    if (sameWish !== null) return;
    const offer = (): void => {
      isForceOffered = true;
      wish.offerForce?.();
    };
    sameWish = wish.clock.after(SAME_WISH_MS, offer, { unref: true });
    wish.ask(signal);
  });
  return () => {
    sameWish?.cancel();
    offSignal();
  };
}

/** A parent (parent-link.ts) whose messages all mean that this process shall end: in order, or at once. */
interface StoppingParent {
  onMessage(handler: (message: { readonly type: 'stop' | 'end'; readonly reason: string }) => void): void;
}

/**
 * Takes the parent's 'stop' and SIGTERM as one wish, for both come when a signal goes to the whole process group; only
 * its 'end' means more. Without a parent, signals are a user's: see {@link onStopSignal}.
 */
export function onStopRequest(parent: StoppingParent | null, wish: StopRequest): void {
  if (parent === null) {
    onStopSignal(wish);
    return;
  }
  let isAsked = false;
  const askOnce = (reason: string): void => {
    if (isAsked) return;
    isAsked = true;
    wish.ask(reason);
  };
  parent.onMessage(({ type, reason }) => {
    askOnce(reason);
    if (type === 'end') wish.force(reason);
  });
  onSignal(['SIGTERM'], askOnce);
}
