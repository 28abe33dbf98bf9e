/**
 * A small assembler for WebAssembly: it turns functions, written as expressions and loops in TypeScript, into the bytes of
 * a module. It knows the instructions that the kernels of this folder use. It checks no types: V8's validator does.
 *
 * Invariants: functions take whole numbers and answer nothing; the module works on a memory that is imported.
 * The opcodes are from the WebAssembly specification 2.0, chapter 5 (binary format).
 */

/** The part of WebAssembly's JavaScript interface that is used here; the project's type libraries do not declare it. */
declare const WebAssembly: { validate(bytes: Uint8Array): boolean };

export type ValueType = 'i32' | 'f32' | 'v128';

/** Instructions that leave one value on the stack. */
export interface Value {
  readonly code: readonly number[];
}

/** A variable of a function. Used as a value, it stands for its content. */
export interface Local extends Value {
  readonly index: number;
}

const TYPE_CODES: Readonly<Record<ValueType, number>> = { i32: 0x7f, f32: 0x7d, v128: 0x7b };
const NO_VALUE = 0x40;
const FUNCTION = 0x60;

/** Encodes a whole number >= 0 as unsigned LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return bytes;
}

/** Encodes a whole number as signed LEB128. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7) {
    const last = rest >= -64 && rest < 64;
    bytes.push((rest & 0x7f) | (last ? 0 : 0x80));
    if (last) return bytes;
  }
}

const operation =
  (...opcode: readonly number[]) =>
  (...operands: readonly Value[]): Value => ({ code: [...operands.flatMap(({ code }) => code), ...opcode] });

/** An instruction that reads memory. `alignment` is the exponent of a power of two; `offset` is in bytes. */
const reading =
  (opcode: readonly number[], alignment: number) =>
  (address: Value, offset = 0): Value => ({ code: [...address.code, ...opcode, alignment, ...unsigned(offset)] });

const simd = (number: number): number[] => [0xfd, ...unsigned(number)];

/** Arithmetic on whole numbers of 32 bits, such as addresses. */
export const i32 = {
  constant: (value: number): Value => ({ code: [0x41, ...signed(value)] }),
  add: operation(0x6a),
  subtract: operation(0x6b),
  multiply: operation(0x6c),
} as const;

/** Arithmetic that is written once and assembled for four numbers at a time and for one. */
export interface Lanes {
  readonly type: ValueType;
  /** The number of lanes. */
  readonly count: number;
  readonly zero: Value;
  /** Reads one number for each lane. Addresses and offsets are in bytes. */
  readonly load: (address: Value, offset?: number) => Value;
  /** Reads one number and puts it into every lane. */
  readonly loadOne: (address: Value, offset?: number) => Value;
  readonly storeCode: readonly number[];
  readonly add: (a: Value, b: Value) => Value;
  readonly subtract: (a: Value, b: Value) => Value;
  readonly multiply: (a: Value, b: Value) => Value;
  /** a b + c. It is rounded once where the processor and Node have the instruction (Node 22), and twice elsewhere. */
  readonly multiplyAdd: (a: Value, b: Value, c: Value) => Value;
  readonly minimum: (a: Value, b: Value) => Value;
  readonly maximum: (a: Value, b: Value) => Value;
  /** `value` in the lanes where a > b, and zero in the others. The next two work in the same way. */
  readonly whereGreater: (a: Value, b: Value, value: Value) => Value;
  readonly whereEqual: (a: Value, b: Value, value: Value) => Value;
  readonly whereDifferent: (a: Value, b: Value, value: Value) => Value;
}

const vectorGreater = operation(...simd(0x44));
const vectorEqual = operation(...simd(0x41));
const vectorDifferent = operation(...simd(0x42));
const vectorAnd = operation(...simd(0x4e));

const vectorAdd = operation(...simd(0xe4));
const vectorMultiply = operation(...simd(0xe6));
/** One of the relaxed instructions, which were added in WebAssembly 3.0. */
const relaxedMultiplyAdd = operation(...simd(0x105));

export const four: Lanes = {
  type: 'v128',
  count: 4,
  zero: { code: [...simd(0x0c), ...new Array<number>(16).fill(0)] },
  load: reading(simd(0x00), 2),
  loadOne: reading(simd(0x09), 2),
  storeCode: [...simd(0x0b), 2],
  add: vectorAdd,
  subtract: operation(...simd(0xe5)),
  multiply: vectorMultiply,
  multiplyAdd: (a, b, c) => (hasRelaxed() ? relaxedMultiplyAdd(a, b, c) : vectorAdd(c, vectorMultiply(a, b))),
  minimum: operation(...simd(0xe8)),
  maximum: operation(...simd(0xe9)),
  whereGreater: (a, b, value) => vectorAnd(vectorGreater(a, b), value),
  whereEqual: (a, b, value) => vectorAnd(vectorEqual(a, b), value),
  whereDifferent: (a, b, value) => vectorAnd(vectorDifferent(a, b), value),
};

const ZERO: Value = { code: [0x43, 0, 0, 0, 0] };
const scalarGreater = operation(0x5e);
const scalarEqual = operation(0x5b);
const scalarDifferent = operation(0x5c);
const scalarAdd = operation(0x92);
const scalarMultiply = operation(0x94);
const select = operation(0x1b);

export const one: Lanes = {
  type: 'f32',
  count: 1,
  zero: ZERO,
  load: reading([0x2a], 2),
  loadOne: reading([0x2a], 2),
  storeCode: [0x38, 2],
  add: scalarAdd,
  subtract: operation(0x93),
  multiply: scalarMultiply,
  multiplyAdd: (a, b, c) => scalarAdd(c, scalarMultiply(a, b)),
  minimum: operation(0x96),
  maximum: operation(0x97),
  whereGreater: (a, b, value) => select(value, ZERO, scalarGreater(a, b)),
  whereEqual: (a, b, value) => select(value, ZERO, scalarEqual(a, b)),
  whereDifferent: (a, b, value) => select(value, ZERO, scalarDifferent(a, b)),
};

const localAt = (index: number): Local => ({ index, code: [0x20, ...unsigned(index)] });

interface Move {
  readonly from: Value;
  readonly step: Value;
}

type PlacesOf<Moves extends readonly Move[]> = { [Index in keyof Moves]: Local };

/** An address for `walk`: it starts at `from` and moves on by `step` bytes after each iteration. */
export function moving(from: Value, step: Value): Move {
  return { from, step };
}

/** A function under construction. Its parameters are all i32 and have names; each call of a method adds a statement. */
export class FunctionCode<Name extends string = string> {
  readonly names: readonly Name[];
  readonly parameters: Readonly<Record<Name, Local>>;
  readonly #locals: ValueType[] = [];
  readonly #code: number[] = [];

  constructor(names: readonly Name[]) {
    this.names = names;
    this.parameters = Object.fromEntries(names.map((key, index) => [key, localAt(index)])) as Record<Name, Local>;
  }

  /** Declares a variable and sets it to `value`. */
  variable(type: ValueType, value: Value): Local {
    const local = localAt(this.names.length + this.#locals.length);
    this.#locals.push(type);
    this.set(local, value);
    return local;
  }

  set({ index }: Local, value: Value): void {
    this.#code.push(...value.code, 0x21, ...unsigned(index));
  }

  /** Adds `by` to an i32 variable. */
  advance(local: Local, by: Value): void {
    this.set(local, i32.add(local, by));
  }

  store({ storeCode }: Lanes, { address, offset = 0, value }: { address: Value; offset?: number; value: Value }): void {
    this.#code.push(...address.code, ...value.code, ...storeCode, ...unsigned(offset));
  }

  /** Copies `count` bytes; the source and the target may overlap. */
  copyBytes({ from, to, count }: { from: Value; to: Value; count: Value }): void {
    this.#code.push(...to.code, ...from.code, ...count.code, 0xfc, 0x0a, 0, 0);
  }

  clearBytes(to: Value, count: Value): void {
    this.#code.push(...to.code, ...i32.constant(0).code, ...count.code, 0xfc, 0x0b, 0);
  }

  /** Repeats the statements of `body`, `count` times. The count must be at least zero. */
  repeat(count: Value, body: () => void): void {
    const left = this.variable('i32', count);
    this.#code.push(0x02, NO_VALUE, ...left.code, 0x45, 0x0d, 0, 0x03, NO_VALUE);
    body();
    this.advance(left, i32.constant(-1));
    this.#code.push(...left.code, 0x0d, 0, 0x0b, 0x0b);
  }

  /**
   * Like `repeat`, with one address for each move, which is passed to `body`. Each time this statement is reached, an address
   * starts at its `from` again; it moves on by its `step` after each iteration.
   */
  walk<const Moves extends readonly Move[]>(count: Value, moves: Moves, body: (...places: PlacesOf<Moves>) => void): void {
    const places = moves.map(({ from }) => this.variable('i32', from)) as unknown as PlacesOf<Moves>;
    this.repeat(count, () => {
      body(...places);
      for (const [i, { step }] of moves.entries()) this.advance(places[i] as Local, step);
    });
  }

  /** The function as an entry of the code section. */
  get bytes(): number[] {
    const locals = this.#locals.flatMap((type) => [1, TYPE_CODES[type]]);
    const body = [...unsigned(this.#locals.length), ...locals, ...this.#code, 0x0b];
    return [...unsigned(body.length), ...body];
  }
}

function name(text: string): number[] {
  const bytes = new TextEncoder().encode(text);
  return [...unsigned(bytes.length), ...bytes];
}

function section(id: number, entries: readonly (readonly number[])[]): number[] {
  const content = [...unsigned(entries.length), ...entries.flat()];
  return [id, ...unsigned(content.length), ...content];
}

/** Assembles a module that exports the functions under their names and imports its memory as `env.memory`. */
export function assemble(functions: Readonly<Record<string, Pick<FunctionCode, 'names' | 'bytes'>>>): Uint8Array<ArrayBuffer> {
  const codes = Object.values(functions);
  const types = codes.map(({ names }) => [FUNCTION, ...unsigned(names.length), ...names.map(() => TYPE_CODES.i32), 0]);
  const exports = Object.keys(functions).map((key, index) => [...name(key), 0, ...unsigned(index)]);
  return new Uint8Array([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, types),
    ...section(2, [[...name('env'), ...name('memory'), 2, 0, 1]]),
    ...section(
      3,
      codes.map((_, index) => unsigned(index)),
    ),
    ...section(7, exports),
    ...section(
      10,
      codes.map(({ bytes }) => bytes),
    ),
  ]);
}

let relaxed: boolean | null = null;

/** Whether this version of Node has the relaxed instructions. */
function hasRelaxed(): boolean {
  if (relaxed === null) {
    const code = new FunctionCode([]);
    code.variable('v128', relaxedMultiplyAdd(four.zero, four.zero, four.zero));
    relaxed = WebAssembly.validate(assemble({ code }));
  }
  return relaxed;
}
