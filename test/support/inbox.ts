/** Collects what arrives, and resolves when enough has: tests wait for the event, not for a time. */

export class Inbox<T> {
  readonly items: T[] = [];
  #waiting: { readonly count: number; readonly resolve: (items: readonly T[]) => void }[] = [];

  add(item: T): void {
    this.items.push(item);
    const reached = this.#waiting.filter(({ count }) => this.items.length >= count);
    this.#waiting = this.#waiting.filter(({ count }) => this.items.length < count);
    for (const { resolve } of reached) resolve(this.items);
  }

  /** All items, once there are at least `count`. */
  until(count: number): Promise<readonly T[]> {
    if (this.items.length >= count) return Promise.resolve(this.items);
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }
}

/** One turn of the event loop: timers, sockets, immediates. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Turns of the event loop until the condition holds; the test's own timeout ends a wait in vain. */
export async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}
