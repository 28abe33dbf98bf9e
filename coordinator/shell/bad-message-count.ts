/**
 * Counts the bad messages of each connection, so that they are answered and logged a few
 * times and then ignored. Bounded: the oldest connections are forgotten.
 */

/** The number of bad messages of one connection that are answered. */
const ANSWERED_MAX = 16;
const CONNECTIONS_MAX = 1024;
/** The number of bad messages that are logged one by one; of the later ones only those whose number is a power of two are logged. */
const LOGGED_MAX = 100;

export class BadMessageCount {
  readonly #offences = new Map<string, number>();
  /** Bad messages of all connections so far. */
  total = 0;

  /** Counts a bad message, and says whether to answer and to log it. */
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
