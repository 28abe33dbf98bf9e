/**
 * The gradient of a convolution for its input, along one axis, as convolutions of dy (the output's gradient) with the
 * reversed filter. With a stride of s there are s of them: all places of dx with the same remainder by s depend on the same
 * taps of the filter.
 */

/** The convolution for the places of dx that have the remainder `phase` when divided by the stride. */
export interface Phase {
  readonly phase: number;
  /** The number of places of dx. */
  readonly places: number;
  /** The last tap that they depend on, and the number of such taps; two adjoining ones are a stride apart. */
  readonly lastTap: number;
  readonly taps: number;
  /** The zeros before dy; a negative number is the number of places of dy that are skipped. */
  readonly before: number;
}

export interface Axis {
  /** The number of places of x along the axis. */
  readonly size: number;
  readonly filter: number;
  readonly stride: number;
  /** The zeros before x. */
  readonly padding: number;
}

/** Lists the phases: as many as the stride, but not more than the places. A phase may have no tap: then its places of dx are zero. */
export function phasesOf({ size, filter, stride, padding }: Axis): Phase[] {
  return Array.from({ length: Math.min(stride, size) }, (_, phase) => {
    const firstTap = (phase + padding) % stride;
    const taps = Math.max(0, Math.ceil((filter - firstTap) / stride));
    // Place phase + s u meets tap firstTap + s t at the output u + (phase + padding - firstTap) / s - t.
    const before = taps - 1 - (phase + padding - firstTap) / stride;
    return { phase, places: Math.ceil((size - phase) / stride), lastTap: firstTap + stride * (taps - 1), taps, before };
  });
}
