/**
 * Measures a row: starts its sides, lets them pass the gate, drops the warm-up, and then takes turns, ours first. Only
 * one side works at a time; that the others are idle meanwhile is looked at and told when it is not so.
 */

import { cpus } from 'node:os';
import { type ProfileAnswer, Unusable } from './protocol.js';
import type { Failed, Measured, RowResult, SideResult, Skipped, Turn } from './result.js';
import type { Contest, GateAnswer, Row, RowSettings } from './row.js';
import { Side } from './side.js';
import { median, ratios, spreadOf, stepsPerTurn } from './statistics.js';

export interface RunnerOptions {
  readonly pairs: number;
  readonly turnSeconds: number;
  /** Instead of what the row says. */
  readonly warmUp: number | null;
  /** Takes a sentence on how far it is. */
  tell(progress: string): void;
}

/** Processor time of sides out of turn, and of other processes, over the time by the clock, that is worth a note. */
const IDLE_SHARE_MAX = 0.05;
const FOREIGN_SHARE_MAX = 0.1;

/** The result of a row; what goes wrong is in the result. */
export async function measureRow(row: Row, settings: RowSettings, options: RunnerOptions): Promise<RowResult> {
  const contest = await row.prepare(settings);
  if ('skipped' in contest) return { row: row.name, skipped: contest.skipped };
  const field = new Field(row, contest, options);
  try {
    return await field.measure();
  } catch (error) {
    return { row: row.name, failed: error instanceof Error ? error.message : String(error) };
  } finally {
    await field.end();
  }
}

/** One step of ours by what it spends its time on, after the warm-up, or why there is none. No anchor is started. */
export async function profileRow(
  row: Row,
  settings: RowSettings,
  options: RunnerOptions,
): Promise<ProfileAnswer | Pick<Skipped, 'skipped'>> {
  const contest = await row.prepare({ ...settings, torch: settings.torch ?? 'none' });
  if ('skipped' in contest) return contest;
  options.tell(`${row.name}: starting ${contest.ours.label}`);
  try {
    const side = await Side.start(contest.ours);
    try {
      await side.ask({ do: 'run', steps: options.warmUp ?? row.warmUp });
      return await side.ask({ do: 'profile' });
    } finally {
      await side.end();
    }
  } catch (error) {
    return { skipped: error instanceof Error ? error.message : String(error) };
  }
}

/** One side with the turns that it has had. */
interface Player {
  readonly side: Side;
  readonly warmUp: { readonly steps: number; readonly seconds: number };
  readonly stepsPerTurn: number;
  readonly turns: Turn[];
}

class Field {
  readonly #row: Row;
  readonly #contest: Contest;
  readonly #options: RunnerOptions;
  readonly #sides: Side[] = [];
  readonly #notes: string[] = [];

  constructor(row: Row, contest: Contest, options: RunnerOptions) {
    this.#row = row;
    this.#contest = contest;
    this.#options = options;
  }

  async measure(): Promise<Measured | Failed | Skipped> {
    const { name } = this.#row;
    const ours = await this.#start(this.#contest.ours);
    if (typeof ours === 'string') return { row: name, skipped: ours };
    const started: (Side | string)[] = [];
    for (const start of this.#contest.anchors) started.push(await this.#start(start));
    const anchors = started.filter((side) => typeof side !== 'string');
    const reasons = started.filter((side) => typeof side === 'string');
    if (anchors.length === 0) return { row: name, skipped: reasons.join('; ') };
    this.#notes.push(...reasons.map((reason) => `an anchor is left out: ${reason}`));
    const passed = await this.#gate(ours, anchors);
    if (passed.length === 0) return { row: name, failed: this.#notes.join('; ') };
    return this.#alternate(ours, passed);
  }

  async end(): Promise<void> {
    await Promise.all(this.#sides.map((side) => side.end()));
  }

  /** The side, or why it cannot work here. */
  async #start(start: Contest['ours']): Promise<Side | string> {
    this.#options.tell(`${this.#row.name}: starting ${start.label}`);
    try {
      const side = await Side.start(start);
      this.#sides.push(side);
      return side;
    } catch (error) {
      if (error instanceof Unusable) return `${start.label}: ${error.message}`;
      throw error;
    }
  }

  /** Those that compute what ours computes. */
  async #gate(ours: Side, anchors: readonly Side[]): Promise<Side[]> {
    const answer: GateAnswer = await ours.ask({ do: 'gate' });
    const passed: Side[] = [];
    for (const anchor of anchors) {
      const difference = this.#contest.compare(answer, await anchor.ask({ do: 'gate' }));
      if (difference === null) passed.push(anchor);
      else this.#notes.push(`gate failed against ${anchor.name}: ${difference}`);
    }
    return passed;
  }

  async #alternate(ours: Side, anchors: readonly Side[]): Promise<Measured> {
    const players: Player[] = [];
    for (const side of [ours, ...anchors]) players.push(await this.#warmUp(side));
    for (let pair = 1; pair <= this.#options.pairs; pair++) {
      this.#options.tell(`${this.#row.name}: turn ${pair} of ${this.#options.pairs}`);
      for (const player of players) player.turns.push(await this.#turn(player));
    }
    const [first, ...rest] = players.map(resultOf);
    const [anchor, ...others] = rest.sort((a, b) => b.rate - a.rate);
    if (first === undefined || anchor === undefined) throw new Error('a row has two sides');
    this.#notes.push(...ours.notes.map((note) => `${ours.name}: ${note}`));
    for (const side of [first, ...rest]) {
      this.#noteShares(side);
      this.#notes.push(...exchangeNotes(side));
    }
    return {
      row: this.#row.name,
      ratio: spreadOf(ratios(first.rates, anchor.rates)),
      processorRatio: spreadOf(ratios(first.processorRates, anchor.processorRates)),
      timeMost: this.#row.timeMost ?? null,
      ...{ ours: first, anchor, others, knowledge: ours.knowledge, notes: this.#notes },
    };
  }

  async #warmUp(side: Side): Promise<Player> {
    const steps = this.#options.warmUp ?? this.#row.warmUp;
    this.#options.tell(`${this.#row.name}: ${steps} warm-up steps of ${side.name}`);
    const { seconds } = await side.ask({ do: 'run', steps });
    return { side, warmUp: { steps, seconds }, stepsPerTurn: stepsPerTurn(this.#options.turnSeconds, seconds / steps), turns: [] };
  }

  async #turn({ side, stepsPerTurn: steps }: Player): Promise<Turn> {
    const others = this.#sides.filter((other) => other !== side);
    for (const other of others) await other.settled();
    const [idleBefore, busyBefore] = [secondsOfAll(others), busySeconds()];
    const childBefore = side.childSeconds();
    const { seconds, processorSeconds: own, exchange = null } = await side.ask({ do: 'run', steps });
    const processorSeconds = own + side.childSeconds() - childBefore;
    const [idleAfter, busyAfter] = [secondsOfAll(others), busySeconds()];
    const idleProcessorSeconds = idleBefore === null || idleAfter === null ? null : idleAfter - idleBefore;
    const foreignProcessorSeconds = Math.max(0, busyAfter - busyBefore - processorSeconds - (idleProcessorSeconds ?? 0));
    return { steps, seconds, processorSeconds, idleProcessorSeconds, foreignProcessorSeconds, exchange };
  }

  /** Of a turn's processor time that was not the side's own. */
  #noteShares({ name, turns }: SideResult): void {
    const percentOf = (seconds: (turn: Turn) => number) => Math.round(100 * median(turns.map((turn) => seconds(turn) / turn.seconds)));
    const idle = percentOf(({ idleProcessorSeconds }) => idleProcessorSeconds ?? 0);
    const foreign = percentOf(({ foreignProcessorSeconds }) => foreignProcessorSeconds);
    if (idle > 100 * IDLE_SHARE_MAX) this.#notes.push(`while ${name} ran, the other sides took ${idle} % of a processor`);
    if (foreign > 100 * FOREIGN_SHARE_MAX) {
      this.#notes.push(`while ${name} ran, other programs took ${foreign} % of a processor: measure again on an idle machine`);
    }
  }
}

/** Of all processors of the machine since it was started. */
function busySeconds(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0) / 1000;
}

function secondsOfAll(sides: readonly Side[]): number | null {
  let sum = 0;
  for (const side of sides) {
    const seconds = side.processorSeconds();
    if (seconds === null) return null;
    sum += seconds;
  }
  return sum;
}

/** The bytes of a step between the processes of a side, and the share of the time that they waited for each other. */
function exchangeNotes({ name, turns }: SideResult): string[] {
  const runs = turns.flatMap(({ steps, seconds, exchange }) => (exchange === null ? [] : [{ ...exchange, steps, seconds }]));
  if (runs.length === 0) return [];
  const bytes = median(runs.map((run) => run.bytes / run.steps));
  const share = median(runs.map((run) => run.bytes / run.rawBytes));
  const waited = median(runs.map((run) => run.waitedSeconds / run.seconds));
  const waitedMs = median(runs.map((run) => (1000 * run.waitedSeconds) / run.steps));
  return [
    `${name}: ${Math.round(bytes)} bytes a step between its processes, ${share.toFixed(3)} x the predictions; ` +
      `each waits ${waitedMs.toFixed(1)} ms a step, ${(100 * waited).toFixed(1)} % of the time`,
  ];
}

function resultOf({ side, warmUp, turns }: Player): SideResult {
  const ratesBy = (secondsOf: (turn: Turn) => number) => turns.map((turn) => (turn.steps * side.imagesPerStep) / secondsOf(turn));
  const rates = ratesBy(({ seconds }) => seconds);
  const processorRates = ratesBy(({ processorSeconds }) => processorSeconds);
  return { name: side.name, warmUp, turns, rates, rate: median(rates), processorRates };
}
