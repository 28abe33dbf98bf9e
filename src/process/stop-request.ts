/**
 * Requests to this process, from a signal or from its parent. The first request to end asks for an orderly end. A second one
 * forces the end at once, when it comes from a source that may force it. SIGUSR1 asks for a checkpoint. The caller carries out all.
 */

import type { Clock, TimerHandle } from '../base/clock.js';
import { endEarlyStop } from './early-stop.js';
import { isHangUpIgnored } from './hang-up.js';
import { ignoreSignals, onSignal, type StopSignal } from './signal.js';

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
  /** Called when a checkpoint is wanted, at each SIGUSR1; the process goes on. Left out: it has nothing to save. */
  checkpoint?(): void;
}

export interface StopRequest extends SignalRequest {
  /** Called once, to begin the orderly end, with the signal's name or the parent's reason. */
  ask(reason: string): void;
  /** Called with each signal that forces the end, and with the reason of each 'end' of the parent. */
  force(reason: string): void;
}

/**
 * Takes SIGINT, SIGTERM, and SIGHUP unless it was ignored when the process was started, as requests of a user to end; a second SIGINT or
 * SIGTERM forces the end. Returns a function that removes the handlers.
 */
export function onStopSignal(request: SignalRequest): () => void {
  let sameRequest: TimerHandle | null = null;
  let isForceOffered = false;
  const isIgnored = isHangUpIgnored();
  if (isIgnored) ignoreSignals('SIGHUP');
  const offCheckpoint = onSignal(['SIGUSR1'], () => request.checkpoint?.());
  const offSignal = onSignal<StopSignal>(isIgnored ? ['SIGINT', 'SIGTERM'] : ['SIGINT', 'SIGTERM', 'SIGHUP'], (signal) => {
    // A terminal that closes may send its signal twice, and later than the rest.
    if (isForceOffered && signal !== 'SIGHUP') request.force(signal);
    if (sameRequest !== null) return;
    const offer = (): void => {
      isForceOffered = true;
      request.offerForce?.();
    };
    sameRequest = request.clock.after(SAME_REQUEST_MS, offer, { unref: true });
    request.ask(signal);
  });
  endEarlyStop();
  return () => {
    sameRequest?.cancel();
    offCheckpoint();
    offSignal();
  };
}

/** A parent's request: 'stop' asks for an orderly end, 'end' forces it. */
type ParentRequest = { readonly type: 'stop' | 'end'; readonly reason: string } | { readonly type: 'checkpoint' };

/** A parent (parent-link.ts) that sends only such requests. */
interface StoppingParent {
  onMessage(handler: (message: ParentRequest) => void): void;
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
  parent.onMessage((message) => {
    if (message.type === 'checkpoint') {
      request.checkpoint?.();
      return;
    }
    askOnce(message.reason);
    if (message.type === 'end') request.force(message.reason);
  });
  onSignal(['SIGTERM'], askOnce);
}
