/** The version of the wire. */

/** Raised by every change that an older build would misread. */
export const PROTOCOL_VERSION = 2;
