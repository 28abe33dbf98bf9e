/** Branded identifiers: numbers with a type of their own each, so that the compiler does not let them be mixed up. */

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** Counts the starts of a coordinator on the same run, from 1. */
export type Term = Branded<number, 'Term'>;
/** Names one process life of a worker. The coordinator issues it, from 1, and never uses it twice in a run. */
export type Incarnation = Branded<number, 'Incarnation'>;
/** The number of a round within a run. From 1. */
export type RoundId = Branded<number, 'RoundId'>;

export const asTerm = (value: number): Term => value as Term;
export const asIncarnation = (value: number): Incarnation => value as Incarnation;
export const asRoundId = (value: number): RoundId => value as RoundId;
