/** `npm run bench`: measures the rows asked for one after the other and writes the table, or lines of JSON, and the raw figures. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { packageFolder } from '../../src/process/package-folder.js';
import { type BenchOptions, parseOptions, UsageError, usage } from './options.js';
import type { ProfileEntry } from './protocol.js';
import { jsonLine, type RowResult, table } from './result.js';
import type { Row, RowSettings } from './row.js';
import { DEFAULT_ROWS, GROUPS, ROWS } from './rows/rows.js';
import { measureRow, profileRow } from './runner.js';

const KNOWN = { rows: ROWS.map(({ name }) => name), groups: GROUPS, defaultRows: DEFAULT_ROWS, threads: availableParallelism() };
const tell = (text: string) => void process.stderr.write(`${text}\n`);
const show = (text: string) => void process.stdout.write(text);

function readOptions(): BenchOptions | null {
  try {
    return parseOptions(process.argv.slice(2), KNOWN);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    tell(`${error.message}\n\n${usage(KNOWN)}`);
    return null;
  }
}

const BATCH = 128;

/** Calls `use` with what the row gets, its folder among it, and takes the folder away. */
async function withSettings<Result>(options: BenchOptions, row: Row, use: (settings: RowSettings) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse-bench-'));
  try {
    const { threads, trace, torch } = options;
    return await use({ batch: options.batch ?? row.batch ?? BATCH, threads, trace, torch, folder });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureRows(rows: readonly Row[], options: BenchOptions): Promise<void> {
  const started = new Date().toISOString();
  const file = resolve(options.out ?? join(packageFolder, 'test/bench/results', `${started.replaceAll(':', '-')}.json`));
  const machine = { processor: cpus()[0]?.model, cores: availableParallelism(), memory: totalmem(), node: process.version };
  mkdirSync(dirname(file), { recursive: true });
  const results: RowResult[] = [];
  for (const row of rows) {
    const result = await withSettings(options, row, (settings) => measureRow(row, settings, { ...options, tell }));
    results.push(result);
    if (options.json) show(`${jsonLine(result)}\n`);
    if ('failed' in result) process.exitCode = 1;
    writeFileSync(file, `${JSON.stringify({ started, machine, load: loadavg(), options, results }, null, 2)}\n`);
  }
  if (!options.json) show(table(results));
  tell(`raw figures: ${file}`);
}

async function profileRows(rows: readonly Row[], options: BenchOptions): Promise<void> {
  for (const row of rows) {
    const profile = await withSettings(options, row, (settings) => profileRow(row, settings, { ...options, tell }));
    if (options.json) show(`${JSON.stringify({ row: row.name, ...profile })}\n`);
    else show('skipped' in profile ? `${row.name}  skipped: ${profile.skipped}\n` : profileText(row.name, profile.profile));
  }
}

function profileText(name: string, entries: readonly ProfileEntry[]): string {
  const line = ({ own, total, calls, name: what }: ProfileEntry) =>
    `${own.toFixed(1).padStart(9)} ms own ${total.toFixed(1).padStart(9)} ms in all ${String(calls).padStart(6)} x ${what}\n`;
  return `${name}, one step\n${entries.map(line).join('')}`;
}

const options = readOptions();
if (options === null) process.exitCode = 2;
else if (options.help) show(usage(KNOWN));
else {
  const rows = options.rows.flatMap((name) => ROWS.filter((row) => row.name === name));
  await (options.profile ? profileRows : measureRows)(rows, options);
}
