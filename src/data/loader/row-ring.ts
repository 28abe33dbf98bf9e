/**
 * The holders of a ring's rows. A holder gets a run of rows; runs are given out one after the other and freed in the same
 * order. It has no memory for the rows and no threads.
 *
 * Invariants: no two holders share a row; a run does not go over the end of the ring: the rows before the end stay free.
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

  /** Gives the holder `count` rows. Returns the first of them, or null when there is no room or there are too many holders. */
  take(holder: T, count: number): number | null {
    if (this.#held.length >= this.#holdersMax) return null;
    const start = this.#roomFor(count);
    if (start !== null) this.#held.push({ holder, start, end: start + count });
    return start;
  }

  /** Frees the rows of the oldest holders, up to the first that is not done. */
  free(isDone: (holder: T) => boolean): void {
    while (this.#held[0] !== undefined && isDone(this.#held[0].holder)) this.#held.shift();
  }

  #roomFor(count: number): number | null {
    const oldest = this.#held[0];
    const newest = this.#held.at(-1);
    if (oldest === undefined || newest === undefined) return count <= this.#rows ? 0 : null;
    // The rows held reach from the oldest to the newest; when the newest starts before the oldest, they go over the ring's end.
    if (newest.start < oldest.start) return newest.end + count <= oldest.start ? newest.end : null;
    if (newest.end + count <= this.#rows) return newest.end;
    return count <= oldest.start ? 0 : null;
  }
}
