/**
 * The student: it carries out the coordinator's orders on its model, one at a time, and hands its arenas and states to the other
 * replicas. The other files of this room carry the orders out; this one says which states an order needs and leaves.
 *
 *   assign    takes up the base (the candidate or the trained state, where the base is one of them); drops the rest of the last
 *             round; trains or evaluates
 *   conclude  ends the training under way after its step; the student reports the samples trained by then
 *   average   needs the trained state of the round; leaves a candidate; a later attempt starts from the trained state
 *   commit    makes the candidate, or in a row of one the trained state, the committed state
 *   save      reads the committed state out, unless it was read out before, and sends it
 *   abandon   drops the trained state and the candidate; the committed state stays, if it was kept
 *
 * Invariants: the committed state changes only by a commit or by taking up another base; one job uses the model at a time;
 * a trained state is handed out only for the round under way, and only after all of its steps. In a round of one replica
 * the base is not kept: until the commit there is no committed state. In other rounds it is read out before the first step.
 */

import type { Averaging } from '../../src/averaging/averaging.js';
import { DEFAULT_AVERAGING } from '../../src/averaging/catalogue.js';
import { assertNever, present } from '../../src/base/assert.js';
import { asRoundId, type RoundId } from '../../src/base/ids.js';
import { takeRanges } from '../../src/data/shard-plan.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { CoordinatorMessageOf, Work } from '../../src/protocol/control.js';
import type { DataMessage, DataRequest, DataRequestOf } from '../../src/protocol/data.js';
import { cutText } from '../../src/protocol/field.js';
import { describeState, isSameState, type StateName } from '../../src/protocol/state-name.js';
import { type DataReply, refusal } from '../../src/rpc/data-server.js';
import { isFiniteArena } from '../../src/tensor/finite.js';
import { answerPart } from '../../src/tensor/state-parts.js';
import { splitState } from '../../src/tensor/state-tensors.js';
import { type EngineContext, reportFailure } from '../kit/context.js';
import { JobSlot } from '../kit/job-slot.js';
import type { EngineOrder } from '../kit/orders.js';
import type { Role } from '../kit/role.js';
import { openStageModel, type StageModel } from '../kit/stage-model.js';
import { DATA_TIMING } from '../kit/timing.js';
import { type AverageOptions, averageRound } from './averaging.js';
import { baseState } from './base-state.js';
import { CellExchange } from './cell-exchange.js';
import { StepNotFinite } from './not-finite.js';
import { ProgramState } from './program-state.js';
import { replicaMemory } from './replica-memory.js';
import { saveState } from './saving.js';
import {
  type Candidate,
  type CheckedState,
  type CommittedState,
  commitAverage,
  commitTrained,
  isBase,
  isOwnBase,
  ownRanges,
  type TrainedState,
  trainedState,
} from './state.js';
import { TeacherLinks } from './teacher-links.js';
import { evaluateWork, type TrainedReport, trainWork, type WorkJob } from './work.js';

/** The model in use, and the state that its program holds. */
interface OpenModel {
  readonly stage: string;
  readonly peer: string;
  readonly model: StageModel;
  readonly program: ProgramState;
}

type Assign = CoordinatorMessageOf<'coordinator.assign'>;
type TrainWork = Extract<Work, { kind: 'train' }>;

export class Student implements Role {
  readonly #context: EngineContext;
  readonly #jobs: JobSlot;
  readonly #links = new TeacherLinks();
  readonly #column: CellExchange;
  readonly #averaging: Averaging;
  #open: OpenModel | null = null;
  #committed: CommittedState | null = null;
  /** The round of the assignment under way, or of the last one. */
  #round: RoundId | null = null;
  #conclude = new AbortController();
  #trained: TrainedState | null = null;
  /** The report of training of the round, once it was sent; a conclusion asks for it again. */
  #report: TrainedReport | null = null;
  #candidate: Candidate | null = null;
  /** The last state that a checkpoint was due of: the replica that saves it asks for the slots. */
  #kept: CheckedState | null = null;
  /** The samples of the last step of the state that was trained last: the culprit, should that state not be finite. */
  #lastStep: { readonly state: StateName; readonly ranges: TrainWork['ranges'] } | null = null;

  constructor(context: EngineContext) {
    this.#context = context;
    this.#column = new CellExchange(context.clock);
    this.#jobs = new JobSlot((error) => reportFailure(context, error, { stage: this.#open?.stage, round: this.#round }));
    this.#averaging = DEFAULT_AVERAGING({
      term: context.term,
      self: context.incarnation,
      deadlineMs: DATA_TIMING.arenaMs,
      partElements: context.partElements,
      request: (endpoint, request) => context.connections.request(endpoint, request),
    });
  }

  handle(order: EngineOrder): void {
    switch (order.type) {
      case 'coordinator.assign':
        this.#catchUp(order);
        this.#beginRound(order.round);
        this.#jobs.replace((signal) => this.#work(order, signal));
        return;
      case 'coordinator.conclude':
        if (order.round === this.#round) this.#concludeRound();
        return;
      case 'coordinator.average':
        this.#average(order);
        return;
      case 'coordinator.commit':
        this.#commit(order);
        return;
      case 'coordinator.save':
        this.#save(order).catch((error: unknown) => reportFailure(this.#context, error, { ...order.state }));
        return;
      case 'coordinator.abandon':
        if (order.round === this.#round) this.#abandon();
        return;
      case 'coordinator.link':
        this.#links.set(order);
        return;
      case 'coordinator.serve':
        return;
      default:
        assertNever(order, 'order');
    }
  }

  async answer({ header }: DataMessage<DataRequest>): Promise<DataReply> {
    if (header.type !== 'arena.get' && header.type !== 'state.get' && header.type !== 'slots.get' && header.type !== 'knowledge.get') {
      return refusal('invalid-message', `a student does not answer ${header.type}`);
    }
    const { term } = this.#context;
    if (header.term !== term) return refusal('old-term', `the request is of term ${header.term}, this student of term ${term}`);
    switch (header.type) {
      case 'arena.get':
        return this.#averaging.answer(header);
      case 'knowledge.get':
        return this.#column.answer(header);
      case 'state.get':
        return this.#handOver(header);
      case 'slots.get':
        return this.#handOverSlots(header);
      default:
        return assertNever(header, 'request');
    }
  }

  async close(): Promise<void> {
    this.#jobs.cancel();
    this.#column.close();
    await this.#jobs.idle();
    this.#closeModel();
  }

  /** A round whose base is the state that waits for its commit shows that it was committed, even when the commit message was lost. */
  #catchUp({ base }: Assign): void {
    const candidate = this.#candidate;
    if (candidate !== null && base.hash === candidate.hash && isSameState(base.state, candidate.state)) this.#takeCandidate(candidate);
    else if (isOwnBase(this.#trained, base, this.#context.incarnation)) this.#takeTrained(this.#trained);
  }

  #takeCandidate(candidate: Candidate): void {
    this.#committed = commitAverage(candidate);
    this.#open?.program.holdSlots(candidate.state);
  }

  #takeTrained(trained: TrainedState): void {
    this.#committed = commitTrained(trained);
    this.#open?.program.hold(trained.state);
  }

  #beginRound(next: RoundId): void {
    this.#round = next;
    this.#conclude = new AbortController();
    this.#dropTrained();
  }

  #dropTrained(): void {
    this.#trained = null;
    this.#report = null;
    this.#candidate = null;
    this.#averaging.takeBack();
  }

  #abandon(): void {
    this.#jobs.cancel();
    if (this.#round !== null) this.#column.abandon(this.#round);
    this.#dropTrained();
  }

  #concludeRound(): void {
    this.#conclude.abort();
    if (this.#report !== null) this.#context.report(this.#report);
  }

  async #work(assign: Assign, signal: AbortSignal): Promise<void> {
    const context = this.#context;
    const { model, program } = await this.#modelOf(assign.base, signal);
    signal.throwIfAborted();
    const column = assign.work.kind === 'train' ? assign.work.column : null;
    const base = await baseState({ context, model, base: assign.base, column, committed: this.#committed, signal });
    this.#committed = base;
    try {
      await this.#carryOut({ context, model, assign, signal, conclude: this.#conclude.signal }, { base, program });
    } catch (error) {
      // The result of half a round may be anything once the work is cancelled.
      if (signal.aborted) throw signal.reason;
      this.#reportNotFinite(error, base.state, assign.round);
    }
  }

  async #carryOut(job: WorkJob, { base, program }: { readonly base: CommittedState; readonly program: ProgramState }): Promise<void> {
    const { work } = job.assign;
    switch (work.kind) {
      case 'train':
        return this.#train(job, work, { base, program });
      case 'evaluate':
        program.loadParameters(base);
        return evaluateWork(job, work, { column: this.#column });
      default:
        assertNever(work, 'work');
    }
  }

  async #train(
    job: WorkJob,
    work: TrainWork,
    { base, program }: { readonly base: CommittedState; readonly program: ProgramState },
  ): Promise<void> {
    const isAlone = work.replicas === 1;
    program.load(base);
    this.#committed = isAlone ? null : program.backUp(base);
    program.leave();
    const { report, lastStep } = await trainWork(job, work, { links: this.#links, column: this.#column });
    const state = { ...base.state, round: job.assign.round };
    if (report.samples > 0) {
      const own = takeRanges(work.ranges, report.samples).taken;
      this.#trained = this.#trainedOf(job, { state, base, own, lastStep, isAlone });
      this.#lastStep = { state, ranges: lastStep };
    } else {
      program.hold(base.state);
      this.#committed = base;
    }
    this.#report = report;
    job.context.report(report);
  }

  /** The trained state. It is read out and offered when there are replicas to average with. */
  #trainedOf(
    { model }: WorkJob,
    options: {
      readonly state: StateName;
      readonly base: CommittedState;
      readonly own: TrainWork['ranges'];
      readonly lastStep: TrainWork['ranges'];
      readonly isAlone: boolean;
    },
  ): TrainedState {
    const { state, base, own, lastStep, isAlone } = options;
    if (isAlone) return trainedState({ state, base: base.ranges, own, parameters: null });
    const parameters = model.program.readParameters();
    if (!isFiniteArena(parameters)) throw new StepNotFinite(describeState(state), 'after the last step a parameter is', lastStep);
    const trained = trainedState({ state, base: base.ranges, own, parameters });
    const memory = replicaMemory(model, this.#context.recipe.seed)?.pack(parameters, ownRanges(base.ranges, trained.ranges) ?? []);
    const averaged = parameters.subarray(0, model.program.schema.averaged);
    this.#averaging.offer({ state, parameters: averaged, memory, ranges: trained.ranges, samples: trained.samples });
    return trained;
  }

  /**
   * Reports the step that was not finite, or that has left the state `base`, which this student has trained itself, not finite. Throws
   * any other error, and such a one when the culprit is not known.
   */
  #reportNotFinite(error: unknown, base: StateName, round: RoundId): void {
    if (!(error instanceof StillhouseError) || error.code !== 'training.notFinite') throw error;
    const own = error instanceof StepNotFinite ? error.ranges : null;
    const before = this.#lastStep !== null && isSameState(this.#lastStep.state, base) ? this.#lastStep.ranges : null;
    const ranges = own ?? before;
    if (ranges === null) throw error;
    this.#context.logger.warn('step.notFinite', { ...base, round, error });
    const about = own === null ? asRoundId(base.round) : round;
    this.#context.report({ type: 'worker.notFinite', round: about, ranges: [...ranges], message: cutText(error.message) });
  }

  async #modelOf({ state: { stage, peer }, init }: Assign['base'], signal: AbortSignal): Promise<OpenModel> {
    if (this.#open?.stage === stage && this.#open.peer === peer) return this.#open;
    this.#closeModel();
    const model = await openStageModel(this.#context, { peer: { stage, peer }, signal }, null);
    this.#open = { stage, peer, model, program: new ProgramState(model.program, init === null ? { stage, peer, round: 0 } : null) };
    return this.#open;
  }

  /** Closes the model. A state that is in the program alone is lost with it. */
  #closeModel(): void {
    this.#open?.model.dispose();
    this.#open = null;
    this.#committed = null;
    this.#kept = null;
  }

  #average(order: CoordinatorMessageOf<'coordinator.average'>): void {
    const own = this.#trained;
    if (own === null || !isSameState(own.state, order.state)) {
      this.#context.logger.warn('average.withoutArena', { ...order.state, attempt: order.attempt });
      return;
    }
    this.#candidate = null;
    this.#jobs.replace(async (signal) => {
      const { candidate, reports } = await averageRound(this.#averaging, own, { order, memory: this.#memory(), signal });
      this.#candidate = candidate;
      for (const report of reports) this.#context.report(report);
    });
  }

  /** The memory of the loss, with the arena of the committed state, which a round of several replicas keeps. */
  #memory(): AverageOptions['memory'] {
    const rows = this.#open === null ? null : replicaMemory(this.#open.model, this.#context.recipe.seed);
    return rows === null ? null : { rows, base: present(this.#committed?.parameters, 'the arena before the round') };
  }

  /** Commits the named state. When this student does not hold it, the next assignment makes the student fetch it. */
  #commit({ state, hash }: CoordinatorMessageOf<'coordinator.commit'>): void {
    const candidate = this.#candidate;
    const trained = this.#trained;
    if (hash === null && trained !== null && isSameState(trained.state, state)) this.#takeTrained(trained);
    else if (candidate !== null && candidate.hash === hash && isSameState(candidate.state, state)) this.#takeCandidate(candidate);
    else this.#context.logger.warn('commit.notHeld', { ...state, hash });
  }

  /**
   * The state is read out before anything else can happen, because the next order may train on. It is kept for the replica that saves,
   * or saved with the optimiser's state of the others.
   */
  async #save({ state, column, others }: CoordinatorMessageOf<'coordinator.save'>): Promise<void> {
    let checked: CheckedState | null;
    try {
      checked = this.#readOut({ state, hash: null });
    } catch (error) {
      this.#reportNotFinite(error, state, asRoundId(state.round));
      return;
    }
    const model = this.#open?.model;
    if (checked !== null && model !== undefined) {
      this.#kept = checked;
      if (others !== null) await saveState(this.#context, checked, { model, column, others });
    } else if (others === null) this.#context.logger.warn('slots.notHeld', { ...state });
    else throw new StillhouseError('checkpoint.unwritable', `${describeState(state)} is not the committed one here`);
  }

  /** The committed state with its arrays, if it is the wanted one; null otherwise. Throws training.notFinite. */
  #readOut(wanted: Pick<DataRequestOf<'state.get'>, 'state' | 'hash'>): CheckedState | null {
    const committed = this.#committed;
    if (this.#open === null || !isBase(committed, wanted)) return null;
    const checked = this.#open.program.readOut(committed);
    this.#committed = checked;
    return wanted.hash === null || wanted.hash === checked.hash ? checked : null;
  }

  #handOverSlots({ state, hash, start, end }: DataRequestOf<'slots.get'>): DataReply {
    const isKept = this.#kept !== null && isSameState(this.#kept.state, state) && this.#kept.hash === hash;
    const checked = isKept ? this.#kept : this.#readOut({ state, hash });
    const schema = this.#open?.model.program.schema.model.hash;
    if (checked === null || schema === undefined) return refusal('not-ready', `${describeState(state)} is not at hand here`);
    const { part, pieces } = answerPart(new Map([['slots', checked.slots]]), { start, end });
    return { header: { type: 'slots.answer', state, hash, schema, ...part }, tensors: pieces };
  }

  #handOver({ state, hash, start, end }: DataRequestOf<'state.get'>): DataReply {
    const checked = this.#readOut({ state, hash });
    const schema = this.#open?.model.program.schema;
    if (checked === null || schema === undefined) return refusal('wrong-round', `${describeState(state)} is not the committed one here`);
    const { part, pieces } = answerPart(splitState(checked, schema), { start, end });
    const about = { state, ranges: [...checked.ranges], hash: checked.hash, schema: schema.model.hash };
    return { header: { type: 'state.answer', ...about, ...part }, tensors: pieces };
  }
}
