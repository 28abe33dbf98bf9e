/**
 * Requests to end this process, from a signal or from its parent. The first request asks for an orderly end. A second one
 * forces the end at once, when it comes from a source that may force it. The caller carries out both.
 */

import type { Clock, TimerHandle } from '../base/clock.js';
import { onSignal, type StopSignal } from './signal.js';

/**
 * A signal that comes within this time after the first is the same request: the terminal sends the signal to the whole
 * process group, and a launcher such as npm passes it on to its child as well.
 */
const SAME_REQUEST_MS = 100;

export interface SignalRequest {
  readonly clock: Pick<Clock, 'after'>;
  /** Called once, to begin the orderly end. */
  ask(signal: StopSignal): void;
  /** Called once, 100 ms after `ask`: from here on, one more signal forces the end. The user may be told so. */
  offerForce?(): void;
  /** Called with each signal that forces the end. */
  force(signal: StopSignal): void;
}

export interface StopRequest extends SignalRequest {
  /** Called once, to begin the orderly end, with the signal's name or the parent's reason. */
  ask(reason: string): void;
  /** Called with each signal that forces the end, and with the reason of each 'end' of the parent. */
  force(reason: string): void;
}

/** Takes SIGINT and SIGTERM as requests of a user; a second signal forces the end. Returns a function that removes the handlers. */
export function onStopSignal(request: SignalRequest): () => void {
  let sameRequest: TimerHandle | null = null;
  let isForceOffered = false;
  const offSignal = onSignal(['SIGINT', 'SIGTERM'], (signal) => {
    if (isForceOffered) request.force(signal);
    if (sameRequest !== null) return;
    const offer = (): void => {
      isForceOffered = true;
      request.offerForce?.();
    };
    sameRequest = request.clock.after(SAME_REQUEST_MS, offer, { unref: true });
    request.ask(signal);
  });
  return () => {
    sameRequest?.cancel();
    offSignal();
  };
}

/** A parent (parent-link.ts) that sends only requests to end: 'stop' asks for an orderly end, 'end' forces it. */
interface StoppingParent {
  onMessage(handler: (message: { readonly type: 'stop' | 'end'; readonly reason: string }) => void): void;
}

/**
 * Takes the parent's 'stop' and SIGTERM as one request, because both come when a signal goes to the whole process group.
 * Only the parent's 'end' forces the end. Without a parent, signals come from a user: see {@link onStopSignal}.
 */
export function onStopRequest(parent: StoppingParent | null, request: StopRequest): void {
  if (parent === null) {
    onStopSignal(request);
    return;
  }
  let isAsked = false;
  const askOnce = (reason: string): void => {
    if (isAsked) return;
    isAsked = true;
    request.ask(reason);
  };
  parent.onMessage(({ type, reason }) => {
    askOnce(reason);
    if (type === 'end') request.force(reason);
  });
  onSignal(['SIGTERM'], askOnce);
}
