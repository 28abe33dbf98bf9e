/**
 * Virtual time and a network of faults for simulations: everything that happens is an entry of one queue, ordered by
 * time, and every choice comes from one seed. A seed plays the same run again.
 */

import { Prng } from '../../src/base/prng.js';

interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** A run takes some ten thousand events; one that takes so many more spins. */
const STEPS_MAX = 1_000_000;

export class World {
  readonly random: Prng;
  nowMs = 0;
  readonly #entries: Entry[] = [];
  #order = 0;

  constructor(seed: number) {
    this.random = new Prng(seed, 0x51a7);
  }

  /** Calls `run` after `delayMs`; the returned function takes it back. */
  after(delayMs: number, run: () => void): () => void {
    return this.at(this.nowMs + delayMs, run);
  }

  /** Calls `run` at that time, or at once when it is past. */
  at(timeMs: number, run: () => void): () => void {
    const entry = { atMs: Math.max(this.nowMs, timeMs), order: this.#order++, run };
    const index = this.#entries.findIndex((other) => other.atMs > entry.atMs);
    this.#entries.splice(index < 0 ? this.#entries.length : index, 0, entry);
    return () => {
      const place = this.#entries.indexOf(entry);
      if (place >= 0) this.#entries.splice(place, 1);
    };
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + this.random.uniform() * (high - low);
  }

  /** Plays until `isOver`, nothing is left, or the time is up. Returns whether it was over. */
  play(untilMs: number, isOver: () => boolean): boolean {
    for (let steps = 0; !isOver(); steps++) {
      if (steps > STEPS_MAX) throw new Error(`${STEPS_MAX} events and no end at ${this.nowMs} ms: something spins`);
      const next = this.#entries.shift();
      if (next === undefined || next.atMs > untilMs) return false;
      this.nowMs = next.atMs;
      next.run();
    }
    return true;
  }
}

/**
 * One way of a connection: messages arrive in order, each after a delay. While it is cut, they are lost; a fault may
 * also lose, repeat or delay one.
 */
export class Wire<T> {
  isCut = false;
  readonly #world: World;
  readonly #deliver: (message: T) => void;
  readonly #faults: WireFaults;
  #lastMs = 0;

  constructor(world: World, faults: WireFaults, deliver: (message: T) => void) {
    this.#world = world;
    this.#faults = faults;
    this.#deliver = deliver;
  }

  send(message: T): void {
    const { random } = this.#world;
    if (this.isCut || random.uniform() < this.#faults.lose) return;
    const copies = random.uniform() < this.#faults.repeat ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const slow = random.uniform() < this.#faults.delay ? this.#world.between(100, 3000) : 0;
      const isReordered = random.uniform() < this.#faults.reorder;
      const arriveMs = Math.max(this.#world.nowMs + this.#world.between(0.1, 3) + slow, isReordered ? 0 : this.#lastMs);
      if (!isReordered) this.#lastMs = arriveMs;
      this.#world.after(arriveMs - this.#world.nowMs, () => this.#deliver(message));
    }
  }
}

/** Chances per message, 0 to 1. */
export interface WireFaults {
  readonly lose: number;
  readonly repeat: number;
  readonly delay: number;
  readonly reorder: number;
}
