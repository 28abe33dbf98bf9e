/**
 * The student: it carries out the coordinator's orders on its model, one at a time, and hands its arenas to its peers.
 * What each order means is in the files beside; this one says which states an order finds and leaves.
 *
 *   assign   takes up the base (the candidate, where that is it); drops the rest of the last round; trains, evaluates
 *            or exports
 *   average  needs the trained arena of the round; leaves a candidate; a later attempt starts from the trained arena
 *   commit   makes the candidate the committed state
 *   abandon  drops the trained arena and the candidate; the committed state stays
 *
 * Invariants: the committed state changes only by a commit or by taking up another base; one job uses the model at a
 * time; an arena is handed out only for the round under way, and only after all of its steps.
 */

import { assertNever } from '../../src/base/assert.js';
import type { RoundId } from '../../src/base/ids.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { CoordinatorMessageOf } from '../../src/protocol/control.js';
import type { DataAnswerBody, DataMessage, DataRequest, DataRequestOf } from '../../src/protocol/data.js';
import { type DataReply, refusal } from '../../src/rpc/data-server.js';
import { type EngineContext, reportFailure } from '../kit/context.js';
import { arenaTensor } from '../kit/fetch-state.js';
import { JobSlot } from '../kit/job-slot.js';
import type { EngineOrder } from '../kit/orders.js';
import type { Role } from '../kit/role.js';
import { openStageModel, type StageModel } from '../kit/stage-model.js';
import { averageRound } from './averaging.js';
import { baseState } from './base-state.js';
import { saveState } from './saving.js';
import { type Candidate, type CommittedState, isBase, type TrainedArena } from './state.js';
import { TeacherLinks } from './teacher-links.js';
import { evaluateWork, exportWork, trainWork } from './work.js';

export class Student implements Role {
  readonly #context: EngineContext;
  readonly #jobs: JobSlot;
  readonly #links = new TeacherLinks();
  #model: StageModel | null = null;
  #committed: CommittedState | null = null;
  /** Of the assignment under way, or of the last one. */
  #round: RoundId | null = null;
  #trained: TrainedArena | null = null;
  #candidate: Candidate | null = null;

  constructor(context: EngineContext) {
    this.#context = context;
    this.#jobs = new JobSlot((error) => reportFailure(context, error, { stage: this.#model?.name, round: this.#round }));
  }

  handle(order: EngineOrder): void {
    switch (order.type) {
      case 'coordinator.assign':
        this.#catchUp(order);
        this.#forgetRound(order.round);
        this.#jobs.replace((signal) => this.#work(order, signal));
        return;
      case 'coordinator.average':
        this.#average(order);
        return;
      case 'coordinator.commit':
        this.#commit(order);
        return;
      case 'coordinator.save':
        this.#save(order).catch((error: unknown) => reportFailure(this.#context, error, { checkpoint: order.checkpoint }));
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
    if (header.type !== 'arena.get' && header.type !== 'state.get') {
      return refusal('invalid-message', `a student does not answer ${header.type}`);
    }
    const { term } = this.#context;
    if (header.term !== term) return refusal('old-term', `the request is of term ${header.term}, this student of term ${term}`);
    return header.type === 'arena.get' ? this.#handOverArena(header) : this.#handOverState(header);
  }

  async close(): Promise<void> {
    this.#jobs.cancel();
    await this.#jobs.idle();
    this.#model?.dispose();
    this.#model = null;
  }

  /** A round that starts from the candidate shows that it was committed, even when that message was lost. */
  #catchUp({ stage, base }: CoordinatorMessageOf<'coordinator.assign'>): void {
    if (isBase(this.#candidate, stage, base)) this.#committed = this.#candidate;
  }

  #forgetRound(next: RoundId): void {
    this.#round = next;
    this.#trained = null;
    this.#candidate = null;
  }

  #abandon(): void {
    this.#jobs.cancel();
    this.#trained = null;
    this.#candidate = null;
  }

  async #work(assign: CoordinatorMessageOf<'coordinator.assign'>, signal: AbortSignal): Promise<void> {
    const context = this.#context;
    const model = await this.#modelOf(assign.stage);
    signal.throwIfAborted();
    const base = await baseState({ context, model, assign, committed: this.#committed, signal });
    this.#committed = base;
    const job = { context, model, base, assign, signal };
    const { work } = assign;
    switch (work.kind) {
      case 'train': {
        const { trained, report } = await trainWork(job, work, this.#links);
        this.#trained = trained;
        context.report(report);
        return;
      }
      case 'evaluate':
        await evaluateWork(job, work);
        return;
      case 'export':
        await exportWork(job);
        return;
      default:
        assertNever(work, 'work');
    }
  }

  async #modelOf(stage: string): Promise<StageModel> {
    if (this.#model?.name === stage) return this.#model;
    this.#model?.dispose();
    this.#model = null;
    this.#model = await openStageModel(this.#context, stage, null);
    return this.#model;
  }

  #average(order: CoordinatorMessageOf<'coordinator.average'>): void {
    const own = this.#trained;
    if (own === null || own.round !== order.round) {
      this.#context.logger.warn('average.withoutArena', { round: order.round, attempt: order.attempt });
      return;
    }
    this.#candidate = null;
    this.#jobs.replace(async (signal) => {
      const { candidate, reports } = await averageRound(this.#context, own, { order, signal });
      this.#candidate = candidate;
      for (const report of reports) this.#context.report(report);
    });
  }

  /** What this student did not average it does not hold: it is asked for with the next assignment. */
  #commit({ round, hash }: CoordinatorMessageOf<'coordinator.commit'>): void {
    const candidate = this.#candidate;
    if (candidate === null || candidate.round !== round || candidate.hash !== hash) {
      this.#context.logger.warn('commit.notHeld', { round, hash });
      return;
    }
    this.#committed = candidate;
  }

  async #save({ round, checkpoint }: CoordinatorMessageOf<'coordinator.save'>): Promise<void> {
    const state = this.#committed;
    const schema = this.#model?.program.schema.hash;
    if (state === null || state.hash === null || state.round !== round || schema === undefined) {
      throw new StillhouseError('checkpoint.unwritable', `${checkpoint}: round ${round} is not the committed one here`);
    }
    await saveState(this.#context, { ...state, hash: state.hash }, { checkpoint, schema });
  }

  #handOverArena({ stage, round }: DataRequestOf<'arena.get'>): DataReply {
    if (round !== this.#round) return refusal('wrong-round', `round ${this.#round ?? 'none'} is under way, not ${round}`);
    const trained = this.#trained;
    if (trained === null) return refusal('not-ready', `round ${round} is not trained here`);
    if (stage !== trained.stage) return refusal('wrong-stage', `round ${round} is of stage ${trained.stage}`);
    const { samples, ranges, parameters } = trained;
    const header: DataAnswerBody = { type: 'arena.answer', stage, round, samples, ranges: [...ranges] };
    return { header, tensors: [arenaTensor('parameters', parameters)] };
  }

  #handOverState({ stage, round, hash }: DataRequestOf<'state.get'>): DataReply {
    const state = this.#committed;
    const schema = this.#model?.program.schema.hash;
    if (!isBase(state, stage, { round, hash }) || schema === undefined || this.#model?.name !== stage) {
      return refusal('wrong-round', `round ${round} of stage ${stage} is not the committed one here`);
    }
    const header: DataAnswerBody = { type: 'state.answer', stage, round, ranges: [...state.ranges], hash, schema };
    return { header, tensors: [arenaTensor('parameters', state.parameters), arenaTensor('slots', state.slots)] };
  }
}
