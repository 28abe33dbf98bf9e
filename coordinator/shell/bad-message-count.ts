/**
 * Connections that send what is no message: how often each did, so that it is answered and logged a few
 * times and then ignored. Bounded: the oldest connections are forgotten.
 */

/** This many bad messages of one connection are answered. */
const ANSWERED_MAX = 16;
const CONNECTIONS_MAX = 1024;
/** This many bad messages in all are logged one by one; of the later ones each whose number is a power of two. */
const LOGGED_MAX = 100;

export class BadMessageCount {
  readonly #offences = new Map<string, number>();
  /** Bad messages of all connections so far. */
  total = 0;

  /** Counts a bad message, and says what to do about it. */
  count(connection: string): { readonly answer: boolean; readonly log: boolean } {
    const count = (this.#offences.get(connection) ?? 0) + 1;
    this.#offences.delete(connection);
    this.#offences.set(connection, count);
    if (this.#offences.size > CONNECTIONS_MAX) {
      const [oldest] = this.#offences.keys();
      if (oldest !== undefined) this.#offences.delete(oldest);
    }
    this.total += 1;
    return { answer: count <= ANSWERED_MAX, log: this.total <= LOGGED_MAX || (this.total & (this.total - 1)) === 0 };
  }
}
