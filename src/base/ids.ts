/** Branded identifiers: a number or a string that cannot be taken for another kind of number or string. */

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** Rises by one with each start of a coordinator on the same run. From 1. */
export type Term = Branded<number, 'Term'>;
/** One process life of a worker's engine, issued by the coordinator; never reused in a run. From 1. */
export type Incarnation = Branded<number, 'Incarnation'>;
/** The number of a round within a run. From 1. */
export type RoundId = Branded<number, 'RoundId'>;

export const asTerm = (value: number): Term => value as Term;
export const asIncarnation = (value: number): Incarnation => value as Incarnation;
export const asRoundId = (value: number): RoundId => value as RoundId;
