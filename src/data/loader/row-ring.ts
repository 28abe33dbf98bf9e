/**
 * Which rows of a ring belong to whom: whole runs of rows, given out one after the other and freed in the same order.
 * No memory, no threads.
 *
 * Invariants: no two holders share a row; a run does not go over the end of the ring, rows there are left out instead.
 */

import { assert } from '../../base/assert.js';

interface Held<T> {
  readonly holder: T;
  readonly start: number;
  readonly end: number;
}

export class RowRing<T> {
  readonly #rows: number;
  readonly #holdersMax: number;
  /** In the order in which they were given out. */
  readonly #held: Held<T>[] = [];

  constructor(rows: number, holdersMax: number) {
    assert(rows > 0 && holdersMax > 0, `a ring of ${rows} rows for ${holdersMax}`);
    this.#rows = rows;
    this.#holdersMax = holdersMax;
  }

  /** The first of `count` rows that are the holder's now; null when there is no room, or there are too many holders. */
  take(holder: T, count: number): number | null {
    if (this.#held.length >= this.#holdersMax) return null;
    const start = this.#roomFor(count);
    if (start !== null) this.#held.push({ holder, start, end: start + count });
    return start;
  }

  /** Frees the rows of the oldest holders for as long as they are done. */
  free(isDone: (holder: T) => boolean): void {
    while (this.#held[0] !== undefined && isDone(this.#held[0].holder)) this.#held.shift();
  }

  #roomFor(count: number): number | null {
    const oldest = this.#held[0];
    const newest = this.#held.at(-1);
    if (oldest === undefined || newest === undefined) return count <= this.#rows ? 0 : null;
    // What is held goes from the oldest to the newest, over the end of the ring where it has turned.
    if (newest.start < oldest.start) return newest.end + count <= oldest.start ? newest.end : null;
    if (newest.end + count <= this.#rows) return newest.end;
    return count <= oldest.start ? 0 : null;
  }
}
