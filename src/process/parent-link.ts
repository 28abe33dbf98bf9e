/**
 * The child's side of the channel to the process that started it. A child belongs to its parent: it ignores SIGINT, SIGHUP and SIGUSR1
 * (they reach the whole process group, and the parent decides what to do), and it ends when the parent has ended.
 */

import { EXIT } from '../errors/table.js';
import { exitNow } from './exit.js';
import { ignoreSignals } from './signal.js';

export interface ParentLink<In, Out> {
  /** Queues a message to the parent. The message is dropped when the parent has ended: this process ends too. */
  send(message: Out): void;
  /** Resolves when all messages sent so far have left this process. Await it before you end the process. */
  sent(): Promise<void>;
  /** Calls `handler` with each message of the parent, also with those that arrived before. One handler at a time. */
  onMessage(handler: (message: In) => void): void;
}

/**
 * The link to the parent, or null when this process was started without a channel. `onGone` is called when the parent
 * has ended; by default the process exits at once.
 */
export function linkToParent<In, Out>(options: { readonly onGone?: () => void } = {}): ParentLink<In, Out> | null {
  if (process.send === undefined) return null;
  const onGone = options.onGone ?? (() => exitNow(EXIT.tryAgain));
  ignoreSignals('SIGINT', 'SIGHUP', 'SIGUSR1');
  process.once('disconnect', onGone);
  if (!process.connected) onGone();

  let handler: ((message: In) => void) | null = null;
  const early: In[] = [];
  process.on('message', (message) => {
    if (handler === null) early.push(message as In);
    else handler(message as In);
  });

  let last = Promise.resolve();
  return {
    send(message) {
      if (!process.connected) return;
      last = new Promise((resolve) => {
        // The callback takes the channel's errors: 'disconnect' reports a parent that has ended meanwhile.
        process.send?.(message, undefined, undefined, () => resolve());
      });
    },
    sent: () => last,
    onMessage(next) {
      handler = next;
      for (const message of early.splice(0)) next(message);
    },
  };
}
