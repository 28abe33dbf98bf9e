/** A first-in first-out queue with a written maximum. A full queue refuses; it never grows and never drops silently. */

import { assert } from './assert.js';

export class BoundedQueue<T> {
  readonly #items: T[] = [];
  readonly countMax: number;

  constructor(countMax: number) {
    assert(Number.isInteger(countMax) && countMax > 0, `queue maximum ${countMax} is not a positive integer`);
    this.countMax = countMax;
  }

  /** False, and nothing is added, when the queue is full. */
  offer(item: T): boolean {
    if (this.#items.length >= this.countMax) return false;
    this.#items.push(item);
    return true;
  }

  /** The oldest item, removed; undefined when empty. */
  take(): T | undefined {
    return this.#items.shift();
  }
}
