/** The error of a request that the server understood and refused, with the protocol's reason code. */

import { StillhouseError } from '../errors/stillhouse-error.js';
import type { RefuseReason } from '../protocol/field.js';

export class RequestRefusal extends StillhouseError {
  readonly reason: RefuseReason;
  /** The server's text. */
  readonly said: string;

  /** `what` is the type of the refused request. `message` is the server's text. */
  constructor(
    what: string,
    { reason, message, address }: { readonly reason: RefuseReason; readonly message: string; readonly address: string },
  ) {
    super('request.refused', `${what} was refused (${reason}): ${message}`, { address });
    this.reason = reason;
    this.said = message;
  }
}
