/**
 * The exchange of knowledge within a step: each of several cells gives its knowledge of the step's images to the others, and takes theirs.
 * Owns both sides: the answers to the other cells, and the requests to them. The cells are those of a column, which give each other their
 * predictions, or those of a row, which give each other their part of the gathered batch: exchange-use.ts has these uses.
 *
 * Invariants: an answer is this cell's knowledge of the round and the step that were asked for, or a refusal; knowledge that was
 * given never changes. A cell waits for the others until its work is cancelled, for which the coordinator has a deadline; or
 * only for as long as the pace of the steps allows (`onLate: renormalise`), and then all steps of the round are made.
 *
 * All cells that wait for each other end with the same step. A cell may end the column before a step that it has not
 * given: it never gives that step, and no cell makes a step without the knowledge of all, so none makes it. It had made the step
 * before, so all had given that one, and every cell can make it. Two cells cannot end the column before different steps, because the one that
 * is ahead would have made a step that the other has not given.
 */

import { abortable, nextTurn } from '../../src/base/abortable.js';
import type { Clock } from '../../src/base/clock.js';
import type { RoundId } from '../../src/base/ids.js';
import { type PeerName, spellPeer } from '../../src/config/peer.js';
import type { PeerRecipe } from '../../src/config/schema.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { ErrorCode } from '../../src/errors/table.js';
import type { ColumnCell } from '../../src/protocol/control.js';
import type { DataRequestOf } from '../../src/protocol/data.js';
import { cutText } from '../../src/protocol/field.js';
import { type DataReply, refusal } from '../../src/rpc/data-server.js';
import { RequestRefusal } from '../../src/rpc/request-refusal.js';
import type { Knowledge } from '../../src/tensor/knowledge.js';
import type { EngineContext } from '../kit/context.js';
import { beyondHalf, knowledgeToWire } from '../kit/knowledge-wire.js';
import { DATA_TIMING } from '../kit/timing.js';
import { askCell, type ExchangeCell, type StepAsking } from './ask-cell.js';
import { refusedKnowledge } from './ask-teacher.js';
import { CellHistory } from './cell-history.js';
import { bytesPerSample, type GivenPart, pickGiven, specsOf } from './given-part.js';
import { GivenSteps, type StepAnswer } from './given-steps.js';

export interface ExchangeOptions extends StepAsking {
  readonly context: EngineContext;
  /** The peer of this cell. */
  readonly peer: string;
  /** The other cells, in the order in which their knowledge is taken. All make as many steps. */
  readonly others: readonly ExchangeCell[];
  /** The number of steps. */
  readonly steps: number;
  /** Whether a cell waits for another one that is late, or goes on without it. Null: nobody is late, and no step is timed. */
  readonly onLate: PeerRecipe['onLate'] | null;
  readonly signal: AbortSignal;
}

/** The knowledge that a cell takes in one step: that of each other cell, in their order, as `parts` says; null of one that was not waited for. */
export type Taken = readonly (Knowledge | null)[];

/** Failures that another request would repeat. */
const FINAL: readonly ErrorCode[] = ['knowledge.beyondHalf', 'recipe.invalid', 'protocol.invalid'];
/** The rounds that other cells may ask about before this cell has begun them. */
const ROUNDS_AHEAD = 2;

/** One cell's side of the exchange, for all of its rounds. */
export class CellExchange {
  readonly #clock: Clock;
  readonly #rounds = new Map<RoundId, GivenSteps>();
  #newest = 0;
  /** The model of the newest round, and what is known of its other cells. */
  #model: PeerName | null = null;
  #history = new CellHistory();
  /** The tensors that this cell gives in the newest round. */
  #parts: readonly GivenPart[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Begins a round; the rounds before are over. */
  open(options: ExchangeOptions): StepExchange {
    const { stage, peer } = options;
    this.#newest = options.round;
    if (this.#model?.stage !== stage || this.#model.peer !== peer) this.#history = new CellHistory();
    this.#history.begin(options.others.map(({ incarnation }) => incarnation));
    this.#model = { stage, peer };
    this.#parts = options.parts;
    for (const [round, steps] of this.#rounds) {
      if (round >= options.round) continue;
      steps.close();
      this.#rounds.delete(round);
    }
    const own = this.#stepsOf(options.round);
    // Cells that do not wait for each other may be any number of steps apart.
    if (options.onLate === 'renormalise') own.keepAll();
    return new StepExchange(options, own, this.#history);
  }

  /** The round is over without its end: nobody gets an answer about it any more. */
  abandon(round: RoundId): void {
    this.#rounds.get(round)?.close();
  }

  /** Ends all rounds. */
  close(): void {
    for (const steps of this.#rounds.values()) steps.close();
    this.#rounds.clear();
  }

  /** Answers another cell, as soon as the step that it asks about has been given. Never rejects. */
  async answer({ stage, about, specs, half }: DataRequestOf<'knowledge.get'>): Promise<DataReply> {
    if (about.of !== 'step') return refusal('invalid-message', 'a student answers about steps, and not about views');
    const { round, step } = about;
    if (round < this.#newest) return refusal('wrong-round', `round ${this.#newest} is under way`);
    if (!this.#rounds.has(round) && this.#rounds.size > ROUNDS_AHEAD) return refusal('not-ready', `round ${round} has not begun here`);
    const given = await this.#answerSoon(round, step);
    if (given === 'not yet') return refusal('not-ready', `step ${step} of round ${round} is not given yet`);
    const model = this.#model;
    if (model?.stage !== stage || model.peer !== about.peer) {
      return refusal('wrong-stage', `this cell trains ${model === null ? 'nothing' : spellPeer(model)}`);
    }
    if (given === 'over') return refusal('wrong-round', `step ${step} of round ${round} is over`);
    if (given === 'ended') return refusal('round-ended', `round ${round} has ended before step ${step}`);
    const picked = pickGiven(this.#parts, given, { side: about.side, specs });
    if ('unknown' in picked) return refusal('unknown-tap', picked.unknown);
    const wire = knowledgeToWire(picked.knowledge, specs, half);
    if ('reason' in wire) return refusal(wire.reason, `at step ${step} of round ${round}, ${wire.message}`);
    return { header: { type: 'knowledge.answer', stage }, tensors: wire.tensors };
  }

  /** Says after a while that the step is still to come: a cell that waits for its teacher is not silent. */
  #answerSoon(round: RoundId, step: number): Promise<StepAnswer | 'not yet'> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(DATA_TIMING.stepHoldMs, () => resolve('not yet'));
      const answer = this.#stepsOf(round).answer(step);
      void answer.then(resolve).finally(() => timer.cancel());
    });
  }

  #stepsOf(round: RoundId): GivenSteps {
    const steps = this.#rounds.get(round) ?? new GivenSteps();
    this.#rounds.set(round, steps);
    return steps;
  }
}

/** The exchange of one round, step by step. */
export class StepExchange {
  readonly #options: ExchangeOptions;
  readonly #own: GivenSteps;
  readonly #history: CellHistory;
  readonly #closed = new AbortController();
  readonly #ended = new AbortController();
  readonly #signal: AbortSignal;
  /** The step of the last exchange. */
  #step = 0;
  /** The answers of the others about the next step, which are asked for in advance; null of one that is a step behind by then. */
  #next: readonly Promise<Knowledge | null>[] = [];
  #waitedMs = 0;
  readonly #late = new Map<string, number>();
  /** The end of the step before; at the first step, the beginning of the round. */
  #endedMs: number;

  constructor(options: ExchangeOptions, own: GivenSteps, history: CellHistory) {
    this.#options = options;
    this.#own = own;
    this.#history = history;
    this.#endedMs = options.context.clock.nowMs();
    this.#signal = AbortSignal.any([options.signal, this.#closed.signal, this.#ended.signal]);
    this.#ask(1);
  }

  /** Stops all requests; a cell that was not waited for may still be asked. */
  close(): void {
    this.#closed.abort();
  }

  /**
   * Aborted when this cell is to begin no further step: its round is concluded, or another cell has ended the column. Cells that do not
   * wait for each other may be steps apart: they make all steps of the round, also when it is concluded.
   */
  endSignal(conclude: AbortSignal): AbortSignal {
    const ended = this.#ended.signal;
    return this.#options.onLate === 'renormalise' ? ended : AbortSignal.any([ended, conclude]);
  }

  /** Ends the column before the next step, which this cell has not given. */
  end(): void {
    this.#endBefore(this.#step + 1);
  }

  /** By peer, the number of steps at which its cell was late. */
  get late(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#late);
  }

  /** The time that this cell has waited for the others, in milliseconds. */
  get waitedMs(): number {
    return this.#waitedMs;
  }

  /**
   * Gives this cell's knowledge of the next step (one tensor for each spec of all parts; the arrays must not change any more), and takes
   * that of the others. Null: the column has ended before this step. Throws the signal's reason when the work is cancelled, and
   * what no other request would mend.
   */
  async exchange(own: Knowledge): Promise<Taken | null> {
    try {
      return await this.#exchange(own);
    } catch (error) {
      if (this.#ended.signal.aborted && error === this.#ended.signal.reason) return null;
      throw error;
    }
  }

  async #exchange(own: Knowledge): Promise<Taken> {
    const { context, steps } = this.#options;
    this.#step += 1;
    this.#checkHalf(own);
    this.#own.give(this.#step, own);
    const startMs = context.clock.nowMs();
    const next = this.#collect(startMs);
    next.catch(() => {});
    try {
      // The answers to the others leave before this cell computes on.
      await nextTurn(this.#signal);
      await next;
    } finally {
      this.#waitedMs += context.clock.nowMs() - startMs;
    }
    const others = await next;
    this.#time(context.clock.nowMs(), others);
    if (this.#step < steps) this.#ask(this.#step + 1);
    return others;
  }

  /** Knowledge that float16 cannot hold is never given: the cell whose it is ends the run, and not the one that asks for it. */
  #checkHalf(own: Knowledge): void {
    const { stage, peer, round, half, parts } = this.#options;
    const wire = half ? knowledgeToWire(own, specsOf(parts), half) : null;
    if (wire === null || !('reason' in wire) || wire.reason !== 'beyond-half') return;
    throw beyondHalf(stage, `${spellPeer({ stage, peer })}, round ${round}, step ${this.#step}: ${wire.message}`);
  }

  /** The answers about this step: those of all others, or of those who answer before the rest is late. */
  async #collect(startMs: number): Promise<Taken> {
    const { context, onLate } = this.#options;
    const found: (Knowledge | null)[] = this.#next.map(() => null);
    const answers = this.#next.map(async (answer, i) => {
      found[i] = await answer;
    });
    const all = abortable(Promise.all(answers), this.#signal);
    const lateMs = onLate === null ? null : this.#history.pace.lateAfterMs(startMs - this.#endedMs);
    if (lateMs === null) await all;
    else {
      await beforeLate(all, lateMs, context.clock);
      this.#noteLate(found, lateMs);
      if (onLate !== 'renormalise') await all;
    }
    return [...found];
  }

  #noteLate(found: Taken, lateMs: number): void {
    const { context, others, stage, round, onLate } = this.#options;
    for (const [i, { peer, incarnation }] of others.entries()) {
      const record = this.#history.of(incarnation);
      const wasLate = record.isLate;
      record.isLate = found[i] === null;
      if (!record.isLate) continue;
      const fields = { stage, round, step: this.#step, peer, cell: incarnation, lateMs, onLate };
      // Once for each time that it falls behind.
      if (!wasLate) context.logger.info('exchange.late', fields);
      this.#late.set(peer, (this.#late.get(peer) ?? 0) + 1);
    }
  }

  /** Enters the duration of a step; where the cell does not wait, only that of a step with all answers. */
  #time(endMs: number, others: Taken): void {
    const { onLate } = this.#options;
    if (onLate !== null && !others.includes(null)) this.#history.pace.add(endMs - this.#endedMs);
    this.#endedMs = endMs;
  }

  /** Asks every other cell for its knowledge of this step; one that has not answered about the step before is asked once it has. */
  #ask(step: number): void {
    const before = this.#next;
    this.#next = this.#options.others.map((cell, i) => this.#askAfter(before[i], cell, step));
    // The work may be cancelled before anybody waits for the answers.
    for (const answer of this.#next) answer.catch(() => {});
  }

  async #askAfter(before: Promise<unknown> | undefined, cell: ExchangeCell, step: number): Promise<Knowledge | null> {
    await before;
    // The step is over: nobody waits for this answer any more.
    return this.#step > step ? null : this.#askUntilAnswered(cell, step);
  }

  async #askUntilAnswered(cell: ExchangeCell, step: number): Promise<Knowledge> {
    const { context, stage, round } = this.#options;
    const { clock, logger } = context;
    const record = this.#history.of(cell.incarnation);
    const transferMs = this.#transferMs(step);
    let sinceMs = clock.nowMs();
    let isReported = false;
    for (let failures = 0; ; failures++) {
      // A cell that has been silent for long is not given the time of a long answer: the round may be over before.
      const isSilentBefore = this.#history.isSilent(record, transferMs);
      const deadlineMs = DATA_TIMING.stepMs + (isSilentBefore ? 0 : transferMs);
      try {
        const answer = await askCell(this.#options, cell, { step, deadlineMs });
        record.gave(clock.nowMs());
        return answer;
      } catch (error) {
        if (!(error instanceof StillhouseError)) throw error;
        const nowMs = clock.nowMs();
        // Also where the round is over by now: the next one may be as short.
        if (error instanceof RequestRefusal) record.refused(nowMs);
        else record.missed({ sinceMs, nowMs, deadlineMs });
        sinceMs = nowMs;
        if (error instanceof RequestRefusal && error.reason === 'round-ended') this.#endBefore(step);
        this.#signal.throwIfAborted();
        if (error instanceof RequestRefusal && error.reason === 'wrong-round') return this.#waitForEnd(cell, step);
        const where = `round ${round}, step ${step}, peer ${cell.peer}`;
        const failure = error instanceof RequestRefusal ? refusedKnowledge(error, stage, where) : ofCell(error, cell, `${stage}, ${where}`);
        // A cell whose own step is not finite says so to the coordinator, which takes the column out of the round.
        if (FINAL.includes(failure.code)) throw failure;
        // Often the other cell is only at a long step, such as its first one: a person need not hear of it yet.
        if (failures === 0) {
          logger.info('exchange.repeated', { stage, round, step, peer: cell.peer, cell: cell.incarnation, message: error.message });
        }
        const isSilent = this.#history.isSilent(record, transferMs);
        if (isSilent && !isReported) this.#report(cell, step, `${where}: ${error.message}`);
        isReported ||= isSilent;
        await this.#rest(failures);
      }
    }
  }

  /** The time that the answers of all cells about a step may take: they share the line of this one. */
  #transferMs(step: number): number {
    const { others, parts, half } = this.#options;
    const samples = others.reduce((sum, { sizes }) => sum + (sizes[step - 1] ?? 0), 0);
    return Math.ceil((samples * bytesPerSample(parts, half)) / DATA_TIMING.leastBytesPerMs);
  }

  /**
   * The other cell will never give this step: it is in a newer round, or has left this one. Rounds only go up, and a step that is over does
   * not come back, so no request would change it. The round is over for the coordinator too, but its word to this cell may still be under
   * way: the cell waits for that, and asks no more.
   */
  #waitForEnd({ peer, incarnation }: ColumnCell, step: number): Promise<never> {
    const { context, stage, round } = this.#options;
    context.logger.info('exchange.over', { stage, round, step, peer, cell: incarnation });
    return abortable(new Promise<never>(() => {}), this.#signal);
  }

  #endBefore(step: number): void {
    if (this.#ended.signal.aborted) return;
    this.#own.endBefore(step);
    this.#ended.abort();
  }

  /** Tells the coordinator that this cell gets no answer from the other one; it decides what becomes of the column. */
  #report(cell: ColumnCell, step: number, message: string): void {
    const { context, stage, round } = this.#options;
    context.logger.warn('exchange.silent', { stage, round, step, peer: cell.peer, cell: cell.incarnation, message });
    context.report({ type: 'worker.unreachable', round, attempt: 0, replica: cell.incarnation, message: cutText(message) });
  }

  /** Waits before the next request; longer each time. */
  #rest(failures: number): Promise<void> {
    const { clock } = this.#options.context;
    const restMs = Math.min(DATA_TIMING.restMaxMs, DATA_TIMING.restMs * 2 ** failures);
    return abortable(new Promise((resolve) => void clock.after(restMs, resolve)), this.#signal);
  }
}

/** The error of a request to this cell, with its name: an answer that cannot be right is its fault. */
function ofCell({ code, what }: StillhouseError, { incarnation, endpoint }: ExchangeCell, where: string): StillhouseError {
  return new StillhouseError(code, `stage ${where}, incarnation ${incarnation}: ${what}`, { address: endpoint });
}

/**
 * Resolves when the promise does, or after this time and a moment more: a process that was stopped itself finds the time over, and the
 * answers in its sockets unread. Rejects as the promise does.
 */
async function beforeLate(promise: Promise<unknown>, lateMs: number, clock: Clock): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let timer = clock.after(lateMs, () => {
      timer = clock.after(DATA_TIMING.unreadMs, resolve);
    });
    promise.then(() => resolve(), reject).finally(() => timer.cancel());
  });
}
