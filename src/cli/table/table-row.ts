/** The rows of a table over seeds: a row for each stage that is tested, with its margins, its speed and its bytes. Pure. */

import { peerNamed } from '../../config/peer.js';
import type { Recipe } from '../../config/schema.js';
import { type ChosenReferences, type References, referencesOf, testedModels } from './reference.js';
import { medianOf, type PairedMargin, pairedMargin, type Spread, spreadOf } from './statistics.js';

/** The results of the run of one seed. */
export interface SeedResult {
  readonly seed: number;
  /** By stage, or `stage.peer`: the share of the test images that its last epoch classifies right. */
  readonly accuracy: Readonly<Record<string, number>>;
  /** By stage: images a second. */
  readonly rates: Readonly<Record<string, number>>;
}

/** A margin over another row, in points of a hundred. */
interface Margin extends PairedMargin {
  readonly over: string;
}

export interface TableRow {
  readonly stage: string;
  readonly references: References;
  /** In percent, over the seeds. */
  readonly accuracy: Spread;
  /** By seed, in percent. */
  readonly accuracies: Readonly<Record<string, number>>;
  /** Null where there is no baseline, and for the baseline itself; so for `overKd`. */
  readonly overBaseline: Margin | null;
  readonly overKd: Margin | null;
  /** Its images a second over those of its `kd`: the median over the seeds; null where that is not known. */
  readonly speed: number | null;
  /** The bytes of knowledge that a step of a student takes from the teacher; null for a model without a teacher. */
  readonly bytesPerStep: number | null;
}

export interface TableInput {
  readonly recipe: Recipe;
  /** The results of at least one seed, all of the same recipe. */
  readonly results: readonly SeedResult[];
  readonly chosen: ChosenReferences;
  /** By model that has a teacher: the bytes that a step takes from it. */
  readonly bytes: Readonly<Record<string, number>>;
}

/** The rows, in the order of the recipe. */
export function tableRows(input: TableInput): readonly TableRow[] {
  const known = input.results[0]?.accuracy ?? {};
  return testedModels(input.recipe).flatMap((stage) => (Object.hasOwn(known, stage) ? [rowOf(stage, input)] : []));
}

function rowOf(stage: string, { recipe, results, chosen, bytes }: TableInput): TableRow {
  const references = referencesOf(recipe, stage, chosen);
  const percentsOf = (name: string) => results.map(({ accuracy }) => 100 * (accuracy[name] ?? Number.NaN));
  const marginOver = (over: string | null): Margin | null =>
    over === null || over === stage ? null : { over, ...pairedMargin(percentsOf(stage), percentsOf(over)) };
  const percents = percentsOf(stage);
  return {
    stage,
    references,
    accuracy: spreadOf(percents),
    accuracies: Object.fromEntries(results.map(({ seed }, i) => [seed, percents[i] ?? 0])),
    overBaseline: marginOver(references.baseline),
    overKd: marginOver(references.kd),
    speed: references.kd === null ? null : speedOf(stage, references.kd, results),
    bytesPerStep: bytes[stage] ?? null,
  };
}

function speedOf(row: string, kd: string, results: readonly SeedResult[]): number | null {
  const ratios = results.flatMap(({ rates }) => {
    const [own, reference] = [rates[peerNamed(row).stage], rates[peerNamed(kd).stage]];
    return own === undefined || reference === undefined ? [] : [own / reference];
  });
  return medianOf(ratios);
}
