/**
 * The loop around the core: one event in, its effects performed in order, then the next event. Nothing else calls the
 * core. It keeps the one timer that the core asks for.
 */

import type { Clock, TimerHandle } from '../../src/base/clock.js';
import type { CoreEvent, Effect, Transition } from '../core/types.js';
import type { Inbox } from './inbox.js';

export type FinishEffect = Extract<Effect, { type: 'finish' }>;
/** Effects that touch the world. */
export type OuterEffect = Exclude<Effect, { type: 'finish' | 'wake' }>;

export interface RunnerOptions<State> {
  readonly start: (nowMs: number) => Transition<State>;
  readonly step: (state: State, event: CoreEvent, nowMs: number) => Transition<State>;
  readonly inbox: Inbox;
  readonly clock: Clock;
  /** Performs one effect; the next one waits for it. An error ends the loop. */
  readonly perform: (effect: OuterEffect) => Promise<void> | void;
  /** Called at each tick. Throws when this coordinator may not go on. */
  readonly checkTerm: () => void;
}

/** The longest delay of the timer, because a timer of the system takes at most 2^31 ms. A tick that comes too early does no harm. */
const DELAY_MAX_MS = 3_600_000;

/** Runs until the core finishes. Throws the errors of the core, of an effect or of the inbox. */
export async function runToEnd<State>(options: RunnerOptions<State>): Promise<FinishEffect> {
  const { start, step, inbox, clock, perform, checkTerm } = options;
  let timer: TimerHandle | null = null;
  const wakeAt = (atMs: number): void => {
    timer?.cancel();
    timer = clock.after(Math.min(Math.max(0, Math.ceil(atMs - clock.nowMs())), DELAY_MAX_MS), () => inbox.add({ type: 'tick' }));
  };
  try {
    let transition = start(clock.nowMs());
    for (;;) {
      for (const effect of transition.effects) {
        if (effect.type === 'finish') return effect;
        if (effect.type === 'wake') wakeAt(effect.atMs);
        else await perform(effect);
      }
      const event = await inbox.next();
      if (event.type === 'tick') checkTerm();
      transition = step(transition.state, event, clock.nowMs());
    }
  } finally {
    // The timer is assigned in a closure, which the compiler does not follow.
    (timer as TimerHandle | null)?.cancel();
  }
}
