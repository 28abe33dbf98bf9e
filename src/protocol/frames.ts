/** What a message is on the wire. Owns the type only. */

/**
 * One message: a header frame, then raw frames. Nothing is copied on the way out: a transport reads the sender's memory
 * for as long as the message waits, also after `send` has returned. So what was handed over must never change again,
 * except where an answer shows that it has arrived, or once `close` has resolved.
 */
export type Frames = readonly Uint8Array[];
