/** A request that a peer understood and did not do, with its reason from the protocol. */

import { StillhouseError } from '../errors/stillhouse-error.js';
import type { RefuseReason } from '../protocol/field.js';

export class PeerRefusal extends StillhouseError {
  readonly reason: RefuseReason;

  /** `what`: the refused request's type. `message`: the peer's own words. */
  constructor(what: string, { reason, message, peer }: { readonly reason: RefuseReason; readonly message: string; readonly peer: string }) {
    super('peer.refused', `${what} was refused (${reason}): ${message}`, { peer });
    this.reason = reason;
  }
}
