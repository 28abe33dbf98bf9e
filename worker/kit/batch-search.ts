/**
 * The search for the largest batch that fits into memory: which batch to try next, from those that were tried. Pure.
 *
 * Where the engine's memory can be measured, two small batches give a line, and the batch at which it meets the limit is tried. Otherwise
 * sizes rise until one does not fit.
 */

/** A batch that was tried. */
export interface TriedBatch {
  readonly size: number;
  readonly fits: boolean;
  /** The most bytes that were in use meanwhile; null where that cannot be measured, or it did not fit. */
  readonly peakBytes: number | null;
}

export interface BatchSearch {
  /** The batch that does not fit. */
  readonly failed: number;
  /** The memory that there is; null where the use of memory cannot be measured. */
  readonly limitBytes: number | null;
  readonly tried: readonly TriedBatch[];
}

/** The share of the memory up to which a batch is proposed: memory that is in pieces takes no large tensor, though it would be enough. */
const USABLE = 0.95;
/** The next proposal after one that did not fit, as a share of that. */
const STEP_BACK = 0.85;
/** After more proposals that did not fit, the line is wrong, and the proposals are halved. */
const STEPS_BACK = 3;
/** A batch is tried if it is larger than one that fits by this factor. */
const WORTH = 1.1;
/** The parts of the failed batch that are measured first. */
const FIRST_PARTS = [256, 64];

/** The batch to try next; null when the largest that fits is known well enough. */
export function nextBatch(search: BatchSearch): number | null {
  return search.limitBytes === null ? nextOfLadder(search) : nextByLine(search, search.limitBytes);
}

/** The largest batch that was tried and fits; 0 when none does. */
export function largestFit(tried: readonly TriedBatch[]): number {
  return Math.max(0, ...tried.filter(({ fits }) => fits).map(({ size }) => size));
}

/** The smallest batch that does not fit. */
function smallestMisfit({ failed, tried }: BatchSearch): number {
  return Math.min(failed, ...tried.filter(({ fits }) => !fits).map(({ size }) => size));
}

function nextByLine(search: BatchSearch, limitBytes: number): number | null {
  const { failed, tried } = search;
  const [fit, misfit] = [largestFit(tried), smallestMisfit(search)];
  const [first = 1, second = 1] = FIRST_PARTS.map((part) => Math.max(1, Math.ceil(failed / part)));
  if (tried.length === 0) return first < misfit ? first : null;
  if (fit === 0) return misfit > 1 ? Math.floor(misfit / 2) : null;
  const measured = tried
    .flatMap(({ size, peakBytes }) => (peakBytes === null ? [] : [{ size, peakBytes }]))
    .sort((a, b) => a.size - b.size);
  const [low, high] = measured.slice(-2);
  if (low === undefined || high === undefined) {
    const other = Math.min(Math.max(second, 2 * fit), tried.length > 1 ? Math.floor((fit + misfit) / 2) : misfit - 1);
    return other > fit ? other : null;
  }
  const perSample = (high.peakBytes - low.peakBytes) / (high.size - low.size);
  const byLine = perSample > 0 ? high.size + (USABLE * limitBytes - high.peakBytes) / perSample : Number.POSITIVE_INFINITY;
  const next = roundDown(Math.min(byLine, belowMisfit(fit, { misfit, misfits: tried.filter((one) => !one.fits).length })));
  return next >= WORTH * fit && next > fit ? next : null;
}

/** The largest batch to propose below one that does not fit: the middle, when one that fits is near. */
function belowMisfit(fit: number, { misfit, misfits }: { readonly misfit: number; readonly misfits: number }): number {
  if (misfits === 0) return misfit - 1;
  if (fit >= misfit / 2) return (fit + misfit) / 2;
  return misfits <= STEPS_BACK ? STEP_BACK * misfit : misfit / 2;
}

/** 1, 2, 4, 8, and from 16 on also the middle between two powers. */
function nextOfLadder(search: BatchSearch): number | null {
  const fit = largestFit(search.tried);
  const power = 2 ** Math.floor(Math.log2(Math.max(1, fit)));
  const next = fit === 0 ? 1 : power >= 16 && fit < 1.5 * power ? 1.5 * power : 2 * power;
  return next < smallestMisfit(search) ? next : null;
}

/** The size with its four first binary digits: 3,970 becomes 3,840. */
export function roundDown(size: number): number {
  const unit = 2 ** Math.max(0, Math.floor(Math.log2(size)) - 3);
  return Math.floor(size / unit) * unit;
}
