/** The form of a message on the wire. Owns the type only. */

/**
 * One message: a header frame, then raw frames. Sending copies nothing: a transport reads the sender's memory
 * while the message waits, also after `send` has returned. So the memory must never change again,
 * unless an answer shows that the message has arrived, or `close` has resolved.
 */
export type Frames = readonly Uint8Array[];
