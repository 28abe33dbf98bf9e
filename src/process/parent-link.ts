/**
 * The child's end of the channel to the process that started it. A child belongs to its parent: it ignores SIGINT
 * (Ctrl-C reaches the whole process group; the parent decides what it means), and it ends when the parent is gone.
 */

import { EXIT } from '../errors/table.js';
import { exitNow } from './exit.js';
import { onSignal } from './signal.js';

export interface ParentLink<In, Out> {
  /** Queues a message to the parent. A message to a parent that is gone is dropped: this process is about to end. */
  send(message: Out): void;
  /** Resolves when what was sent so far is out of this process. Await it before exiting. */
  sent(): Promise<void>;
  /** Sets what is called with each message of the parent. Messages that arrive before are kept for it. */
  onMessage(handler: (message: In) => void): void;
}

/**
 * The link to the parent, or null when this process was started without a channel. `onGone` replaces what happens when
 * the parent is gone: by default the process exits at once.
 */
export function linkToParent<In, Out>(options: { readonly onGone?: () => void } = {}): ParentLink<In, Out> | null {
  if (process.send === undefined) return null;
  const onGone = options.onGone ?? (() => exitNow(EXIT.tryAgain));
  onSignal(['SIGINT'], () => {});
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
        // The callback takes errors of the channel: a parent that went away meanwhile is seen by 'disconnect'.
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
