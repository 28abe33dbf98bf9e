/**
 * Counter-based pseudo-random numbers. Every draw is a pure function of a key and a counter, so any process can compute
 * any draw again, in any order. The mixer is the 32-bit finaliser of MurmurHash3 (Appleby, 2011), applied to the words of
 * the key one after the other.
 */

/** The mixed word as a signed one, which is faster where many are made. */
function mixSigned(hash: number): number {
  let h = hash;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}

function mix(hash: number): number {
  return mixSigned(hash) >>> 0;
}

const FIRST = 0x9e3779b9;

/** Hashes the words of a key, each taken modulo 2^32, to one unsigned 32-bit word. */
export function hashWords(...words: readonly number[]): number {
  let h = FIRST;
  for (const word of words) h = add(h, mixSigned(word)) >>> 0;
  return h;
}

/** The hash of one more word, which is mixed already, as a signed one. */
function add(hash: number, mixed: number): number {
  return mixSigned((Math.imul(hash ^ mixed, 0x01000193) + FIRST) | 0);
}

/** The mixed counters from 0 on: they are the same under every key. */
let counters = new Int32Array(0);

/** Writes `hashWords(key, i)` to each place i of `words`, as a signed word: many draws under one key, several times as fast as one by one. */
export function fillWords(key: number, words: Int32Array): void {
  const begun = hashWords(key);
  if (counters.length < words.length) counters = Int32Array.from(words, (_, i) => mixSigned(i));
  for (let i = 0; i < words.length; i++) words[i] = add(begun, counters[i]!);
}

/** Hashes a string to one unsigned 32-bit word, which may be a word of a key. */
export function hashString(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return mix(h);
}

/** A stream of draws under one key. Two streams with the same key give the same draws. */
export class Prng {
  readonly #key: number;
  #counter = 0;

  constructor(...key: readonly number[]) {
    this.#key = hashWords(...key);
  }

  /** The next unsigned 32-bit word. */
  word(): number {
    return hashWords(this.#key, this.#counter++);
  }

  /** A uniform number in [0, 1), with 32 bits of resolution. */
  uniform(): number {
    return this.word() / 4294967296;
  }

  /** A uniform integer in [0, bound). Its bias is at most bound / 2^32. */
  below(bound: number): number {
    return Math.floor(this.uniform() * bound);
  }

  /** A number from the standard normal distribution (Box and Muller, 1958). It takes two words. */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }
}
