/** The length of a SHA-256. */

/** The bytes of a SHA-256. */
export const DIGEST_BYTES = 32;
