/**
 * The gradient of a convolution for its input, along one axis, as convolutions of the output's gradient with the filter turned
 * round. At a stride of s there are s of them: the places of dx that leave the same rest by s see the same taps of the filter.
 */

/** What the places of dx see that leave the rest `phase` when divided by the stride. */
export interface Phase {
  readonly phase: number;
  /** Places of dx. */
  readonly places: number;
  /** The last tap that they see, and how many: each is a stride before the one above. */
  readonly lastTap: number;
  readonly taps: number;
  /** Zeros before dy; less than 0: so many of dy are left out. */
  readonly before: number;
}

export interface Axis {
  readonly size: number;
  readonly filter: number;
  readonly stride: number;
  /** Zeros before x. */
  readonly padding: number;
}

/** As many as the stride, or as the places where those are fewer. A phase may see no tap: its places of dx are zero. */
export function phasesOf({ size, filter, stride, padding }: Axis): Phase[] {
  return Array.from({ length: Math.min(stride, size) }, (_, phase) => {
    const firstTap = (phase + padding) % stride;
    const taps = Math.max(0, Math.ceil((filter - firstTap) / stride));
    // Place phase + s u meets tap firstTap + s t at the output u + (phase + padding - firstTap) / s - t.
    const before = taps - 1 - (phase + padding - firstTap) / stride;
    return { phase, places: Math.ceil((size - phase) / stride), lastTap: firstTap + stride * (taps - 1), taps, before };
  });
}
