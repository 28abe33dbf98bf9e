/** A share from 0 to 1 as people read it, everywhere alike. Pure. */

/** A share from 0 to 1 in percent: 0.8684 as "86.8 %". */
export function formatShare(share: number): string {
  return `${shownPercent(share).toFixed(1)} %`;
}

/** A share in percent, rounded as formatShare shows it, so that differences agree with the shown numbers. */
export function shownPercent(share: number): number {
  return Number((share * 100).toFixed(1));
}
