/** The maxima of the control plane and the data plane, and the checks that every transport makes with them. */

import { assert } from '../base/assert.js';
import { LIMITS } from '../base/limits.js';
import type { Frames } from '../protocol/frames.js';
import type { ChannelOptions } from './transport.js';

type Maxima = Pick<ChannelOptions, 'frameBytesMax' | 'framesMax' | 'queueMax'>;

/** Between agent and coordinator: a message is one small frame. */
export const CONTROL_CHANNEL: Maxima = { frameBytesMax: LIMITS.controlFrameBytes, framesMax: 1, queueMax: LIMITS.controlQueue };

/** Between engines, and between an engine and the coordinator: requests and answers with tensors. */
export const DATA_CHANNEL: Maxima = { frameBytesMax: LIMITS.dataFrameBytes, framesMax: LIMITS.dataFrames, queueMax: LIMITS.dataQueue };

/** Whether a message has at least one frame, not more frames than the maximum, and none longer than the maximum. */
export function withinMaxima(frames: Frames, { frameBytesMax, framesMax }: Maxima): boolean {
  return frames.length > 0 && frames.length <= framesMax && frames.every((frame) => frame.byteLength <= frameBytesMax);
}

/**
 * Throws InvariantError for a message beyond the maxima. Sending one is a bug of the sender: the receiver would end the
 * connection without a message.
 */
export function assertWithinMaxima(frames: Frames, maxima: Maxima): void {
  assert(
    withinMaxima(frames, maxima),
    `a message of frames of ${frames.map((frame) => frame.byteLength)} bytes is beyond its channel's maxima`,
  );
}

/** The sum of the frames' bytes, without the bytes that the transport adds to each. */
export function bytesOf(frames: Frames): number {
  return frames.reduce((sum, frame) => sum + frame.byteLength, 0);
}
