/** A first-in first-out queue with a written maximum. A full queue refuses; it never grows and never drops silently. */

import { assert } from './assert.js';

export class BoundedQueue<T> {
  readonly #items: T[] = [];
  readonly countMax: number;

  constructor(countMax: number) {
    assert(Number.isInteger(countMax) && countMax > 0, `queue maximum ${countMax} is not a positive integer`);
    this.countMax = countMax;
  }

  /** Adds an item at the end and answers true; answers false, and adds nothing, when the queue is full. */
  offer(item: T): boolean {
    if (this.#items.length >= this.countMax) return false;
    this.#items.push(item);
    return true;
  }

  /** Removes the oldest item and answers it; undefined when the queue is empty. */
  take(): T | undefined {
    return this.#items.shift();
  }
}
