/**
 * What is known of peers that send what is no message: how often each did, so that it is answered and logged a few
 * times and then ignored. Bounded: the oldest peers are forgotten.
 */

/** So many bad messages of one peer are answered. */
const ANSWERED_MAX = 16;
const PEERS_MAX = 1024;
/** So many bad messages in all are logged one by one; of the later ones each whose number is a power of two. */
const LOGGED_MAX = 100;

export class BadMessageCount {
  readonly #offences = new Map<string, number>();
  /** Bad messages of all peers so far. */
  total = 0;

  /** Counts a bad message, and says what to do about it. */
  count(peer: string): { readonly answer: boolean; readonly log: boolean } {
    const count = (this.#offences.get(peer) ?? 0) + 1;
    this.#offences.delete(peer);
    this.#offences.set(peer, count);
    if (this.#offences.size > PEERS_MAX) {
      const [oldest] = this.#offences.keys();
      if (oldest !== undefined) this.#offences.delete(oldest);
    }
    this.total += 1;
    return { answer: count <= ANSWERED_MAX, log: this.total <= LOGGED_MAX || (this.total & (this.total - 1)) === 0 };
  }
}
