/** The maxima of the two planes, and what every transport does with them. */

import { assert } from '../base/assert.js';
import { LIMITS } from '../base/limits.js';
import type { Frames } from '../protocol/frames.js';
import type { ChannelOptions } from './transport.js';

type Maxima = Pick<ChannelOptions, 'frameBytesMax' | 'framesMax' | 'queueMax'>;

/** Agent and coordinator: one small frame a message. */
export const CONTROL_CHANNEL: Maxima = { frameBytesMax: LIMITS.controlFrameBytes, framesMax: 1, queueMax: LIMITS.controlQueue };

/** Requests and answers with tensors. */
export const DATA_CHANNEL: Maxima = { frameBytesMax: LIMITS.dataFrameBytes, framesMax: LIMITS.dataFrames, queueMax: LIMITS.dataQueue };

/** Whether a message has at least one frame, no more of them than the channel takes, and none longer than it takes. */
export function withinMaxima(frames: Frames, { frameBytesMax, framesMax }: Maxima): boolean {
  return frames.length > 0 && frames.length <= framesMax && frames.every((frame) => frame.byteLength <= frameBytesMax);
}

/**
 * Throws InvariantError for a message that is beyond the maxima. To send one is a bug of the sender: the peer would cut
 * it off without a word.
 */
export function assertWithinMaxima(frames: Frames, maxima: Maxima): void {
  assert(
    withinMaxima(frames, maxima),
    `a message of frames of ${frames.map((frame) => frame.byteLength)} bytes is beyond its channel's maxima`,
  );
}

/** Bytes of a message's frames together, without what the transport adds to each. */
export function bytesOf(frames: Frames): number {
  return frames.reduce((sum, frame) => sum + frame.byteLength, 0);
}
