/** Labels as the files of a data set write them, whole numbers or names of classes, and the numbers of classes that they mean. */

import type { DataRecipe } from '../config/schema.js';
import { type ErrorDetails, StillhouseError } from '../errors/stillhouse-error.js';
import { type ImageIndex, shareLabels } from './image-index.js';

/** The file and the line, or byte, where a label is written. */
export type LabelPlace = Pick<ErrorDetails, 'file' | 'line' | 'offset'>;

/** The classes of samples, as an index has them. */
export type LabelledClasses = Pick<ImageIndex, 'classes' | 'labels' | 'classNames'>;

/** A label above it counts as a mistake: a model has an output for each class. */
const CLASSES_MAX = 1_000_000;
const WHOLE = /^(0|[1-9]\d*)$/;
/** Numbers that are not written as whole ones; `007` is a name. */
const OTHER_NUMBER = /^[-+]?\d*\.?\d+(e[-+]?\d+)?$/i;
const ZERO_IN_FRONT = /^0\d+$/;

interface KnownLabel {
  readonly text: string;
  /** The place where it was first. */
  readonly place: LabelPlace;
}

/** The labels of samples, in order. It holds each text once. */
export class LabelTable {
  readonly #numbers = new Map<string, number>();
  readonly #known: KnownLabel[] = [];
  readonly #samples: number[] = [];
  readonly #areNumbers: boolean;

  /** `areNumbers`: whole numbers are always classes; otherwise they may be names that the recipe gives, as `data.classes: ["7", "9"]`. */
  constructor({ areNumbers = false } = {}) {
    this.#areNumbers = areNumbers;
  }

  /** The number of samples so far. */
  get count(): number {
    return this.#samples.length;
  }

  /** Adds the label of the next sample. Throws data.damaged when it is empty. */
  add(text: string, place: LabelPlace): void {
    if (text === '') throw labelFault(place, 'has an empty label', 'Give each image its class');
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.#known.length;
      this.#numbers.set(text, number);
      this.#known.push({ text, place });
    }
    this.#samples.push(number);
  }

  /**
   * The classes: those of the recipe (`data.classes`), where it says them. Otherwise the numbers that are written, up to the largest; or the names, in
   * the order of their bytes. There must be a sample. Throws data.damaged, with the first place, about a label that is none of them.
   */
  classes(given: DataRecipe['classes']): LabelledClasses {
    const { classNames, classes, of } = chooseClasses(this.#known, given, this.#areNumbers);
    const numbers = this.#known.map(of);
    const labels = shareLabels(this.#samples.map((number) => numbers[number]!));
    return { classes, labels, ...(classNames === undefined ? {} : { classNames }) };
  }
}

interface ChosenClasses {
  readonly classes: number;
  readonly classNames?: readonly string[];
  /** The class of a label. Throws data.damaged. */
  of(label: KnownLabel): number;
}

function chooseClasses(known: readonly KnownLabel[], given: DataRecipe['classes'], areNumbers: boolean): ChosenClasses {
  const names = typeof given === 'object' ? given : undefined;
  const nameSet = new Set(areNumbers ? [] : names);
  const hasNames = known.some(({ text }) => nameSet.has(text));
  if (!hasNames && known.every(({ text }) => WHOLE.test(text))) return numbered(known, given);
  if (names !== undefined) return named(names);
  for (const { text, place } of known) {
    if (OTHER_NUMBER.test(text) && !WHOLE.test(text) && !ZERO_IN_FRONT.test(text)) {
      throw labelFault(place, `the label ${text} is no whole number from 0`, 'Write classes as 0, 1, 2, or by their names');
    }
  }
  const number = known.find(({ text }) => WHOLE.test(text));
  const name = known.find(({ text }) => !WHOLE.test(text));
  if (number !== undefined && name !== undefined) {
    const what = `the label ${quoted(name.text)} is a name, and others are numbers, such as ${number.text}`;
    throw labelFault(name.place, what, 'Write all in one way, or give the names in data.classes');
  }
  const sorted = known
    .map(({ text }) => Buffer.from(text))
    .sort(Buffer.compare)
    .map(String);
  if (given !== undefined && sorted.length !== given) {
    throw labelFault(
      known[0]!.place,
      `has ${sorted.length} names of classes, and data.classes is ${String(given)}`,
      'Give their names in data.classes',
    );
  }
  return requireTwo(named(sorted), known);
}

function named(classNames: readonly string[]): ChosenClasses {
  const numbers = new Map(classNames.map((name, i) => [name, i]));
  const of = ({ text, place }: KnownLabel): number => {
    const number = numbers.get(text);
    if (number !== undefined) return number;
    throw labelFault(
      place,
      `the label ${quoted(text)} is not among the ${classNames.length} names of data.classes`,
      'Mend it, or add it there',
    );
  };
  return { classes: classNames.length, classNames, of };
}

function numbered(known: readonly KnownLabel[], given: DataRecipe['classes']): ChosenClasses {
  const names = typeof given === 'object' ? { classNames: given } : {};
  const most = known.reduce((largest, { text }) => Math.max(largest, Number(text)), 0);
  const classes = typeof given === 'object' ? given.length : (given ?? Math.min(most + 1, CLASSES_MAX));
  const of = ({ text, place }: KnownLabel): number => {
    if (Number(text) < classes) return Number(text);
    const cause = given === undefined ? 'no data set has so many classes' : `data.classes has ${classes}`;
    throw labelFault(place, `the label ${text} is not a class from 0 to ${classes - 1}: ${cause}`, 'Mend the label, or data.classes');
  };
  return requireTwo({ classes, ...names, of }, known);
}

function requireTwo(chosen: ChosenClasses, known: readonly KnownLabel[]): ChosenClasses {
  if (chosen.classes >= 2) return chosen;
  const { text, place } = known[0]!;
  throw labelFault(
    place,
    `all images have the label ${quoted(text)}, and a model tells two or more classes apart`,
    'Say in data.classes how many there are',
  );
}

function quoted(text: string): string {
  return JSON.stringify(text.length <= 64 ? text : `${text.slice(0, 64)}...`);
}

/** The error data.damaged about a label. It is not thrown here. */
export function labelFault(place: LabelPlace, what: string, hint: string): StillhouseError {
  return new StillhouseError('data.damaged', what, { ...place, hint });
}
