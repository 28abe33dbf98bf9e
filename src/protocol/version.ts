/** The version of the wire. */

/** Raise it with every change that an older build would misread. */
export const PROTOCOL_VERSION = 6;
