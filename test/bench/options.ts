/** The command line of the bench. */

import { parseArgs } from 'node:util';

export interface BenchOptions {
  /** Names of rows, in the order in which they are measured. */
  readonly rows: readonly string[];
  readonly threads: number;
  /** Turns of ours and of the anchor. */
  readonly pairs: number;
  /** Images in a batch; null for what each row says. */
  readonly batch: number | null;
  readonly trace: 'auto' | 'off';
  readonly torch: string | null;
  /** Dropped steps; null for what each row says. */
  readonly warmUp: number | null;
  /** How long a turn is at least, but for its last step. */
  readonly turnSeconds: number;
  /** One JSON object a line on the standard output. */
  readonly json: boolean;
  /** File of the raw figures; null for one in the folder of results. */
  readonly out: string | null;
  /** Ours alone, by what it spends its time on. */
  readonly profile: boolean;
  readonly help: boolean;
}

/** A mistake on the command line. */
export class UsageError extends Error {}

/** What the options are measured by. */
export interface Known {
  readonly rows: readonly string[];
  /** Names that stand for several rows. */
  readonly groups: Readonly<Record<string, readonly string[]>>;
  /** Those measured when none are named. */
  readonly defaultRows: readonly string[];
  /** The machine's. */
  readonly threads: number;
}

/** The options with their defaults. Throws UsageError. */
export function parseOptions(args: readonly string[], known: Known): BenchOptions {
  const values = parse(args);
  const named = values.rows?.split(',').filter((name) => name !== '');
  const rows = named?.flatMap((name) => known.groups[name] ?? [name]) ?? known.defaultRows;
  const strange = rows.find((name) => !known.rows.includes(name));
  if (strange !== undefined) throw new UsageError(`--rows ${strange}: there is no such row. There are ${namesOf(known).join(', ')}`);
  if (rows.length === 0) throw new UsageError(`--rows names no row. There are ${namesOf(known).join(', ')}`);
  const trace = values.trace ?? 'auto';
  if (trace !== 'auto' && trace !== 'off') throw new UsageError(`--trace ${trace}: it is auto or off`);
  return {
    rows: [...new Set(rows)],
    trace,
    threads: wholeFromOne('threads', values.threads) ?? known.threads,
    pairs: wholeFromOne('pairs', values.pairs) ?? 7,
    batch: wholeFromOne('batch', values.batch),
    torch: values.torch ?? null,
    warmUp: wholeFromOne('warm-up', values['warm-up']),
    turnSeconds: positive('turn', values.turn) ?? 2,
    json: values.json ?? false,
    out: values.out ?? null,
    profile: values.profile ?? false,
    help: values.help ?? false,
  };
}

function parse(args: readonly string[]) {
  try {
    const text = { type: 'string' } as const;
    const flag = { type: 'boolean' } as const;
    const options = {
      ...{ rows: text, threads: text, pairs: text, batch: text, trace: text, torch: text, 'warm-up': text, turn: text, out: text },
      ...{ json: flag, profile: flag, help: flag },
    };
    return parseArgs({ args: [...args], options, strict: true }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function wholeFromOne(name: string, text: string | undefined): number | null {
  const value = positive(name, text);
  if (value !== null && !Number.isInteger(value)) throw new UsageError(`--${name} ${text}: it is a whole number from 1 on`);
  return value;
}

function positive(name: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new UsageError(`--${name} ${text}: it is a number above 0`);
  return value;
}

/** What `--rows` may name: rows, and groups of rows. */
function namesOf({ rows, groups }: Pick<Known, 'rows' | 'groups'>): readonly string[] {
  return [...rows, ...Object.keys(groups)];
}

/** What `--help` prints. */
export function usage(known: Pick<Known, 'rows' | 'groups'>): string {
  return `npm run bench -- [options]
  --rows A,B       of ${namesOf(known).join(', ')}
  --torch PYTHON   a Python that has torch, for the rows against PyTorch
  --threads N      that each side computes with (the machine's cores)
  --batch N        images in a batch (128, but 64 in the rows of overhead-)
  --pairs N        turns of ours and of the anchor (7)
  --trace off      our steps op by op, not as a recorded graph (auto)
  --profile        ours alone, by what it spends its time on
  --json           one JSON object a line, and nothing else, on the standard output
  --out FILE       of the raw figures (test/bench/results/TIME.json)
  --warm-up N      steps dropped (as each row says)
  --turn SECONDS   of one side before it is the other's turn (2)
`;
}
