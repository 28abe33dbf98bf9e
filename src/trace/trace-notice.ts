/** The notice that tells how a step program runs. Owns the types only. */

/** `bf16`: convolutions and matrix products in bfloat16; parameters, losses and statistics in float32. */
export type Precision = 'fp32' | 'bf16';

/** How calls of one kind and size run from now on. */
export interface TraceNotice {
  readonly call: 'step' | 'cut step' | 'predict';
  /** Samples of the batch. */
  readonly size: number;
  readonly traced: boolean;
  /** The precision that runs: an eager step is in fp32. */
  readonly precision: Precision;
  /** The reason why it is not traced, or not in the precision that was asked for. */
  readonly reason?: string;
}
