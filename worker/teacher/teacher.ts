/**
 * The teacher: it loads the model that the coordinator names and answers students' requests with its knowledge of the same
 * pixels that the students see. It replaces the model only as a whole.
 *
 * Invariants: an answer belongs to the stage and term of its request; no number that is not finite leaves the process.
 */

import { abortable } from '../../src/base/abortable.js';
import { present } from '../../src/base/assert.js';
import { LIMITS } from '../../src/base/limits.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { CoordinatorMessageOf } from '../../src/protocol/control.js';
import type { DataMessage, DataRequest, DataRequestOf } from '../../src/protocol/data.js';
import { isSameState } from '../../src/protocol/state-name.js';
import { type DataReply, refusal } from '../../src/rpc/data-server.js';
import { type EngineContext, reportFailure, trainingStage } from '../kit/context.js';
import { fetchCheckpoint } from '../kit/fetch-state.js';
import { JobSlot } from '../kit/job-slot.js';
import { knowledgeToWire } from '../kit/knowledge-wire.js';
import type { EngineOrder } from '../kit/orders.js';
import type { Role } from '../kit/role.js';
import { openStageModel } from '../kit/stage-model.js';
import type { SampleView } from '../kit/view.js';
import { ServedModel } from './served-model.js';

export class Teacher implements Role {
  readonly #context: EngineContext;
  readonly #loading: JobSlot;
  #served: ServedModel | null = null;

  constructor(context: EngineContext) {
    this.#context = context;
    this.#loading = new JobSlot((error) => reportFailure(context, error));
  }

  handle(order: EngineOrder): void {
    if (order.type === 'coordinator.serve') this.#loading.replace((signal) => this.#load(order, signal));
  }

  async answer({ header, tensors }: DataMessage<DataRequest>): Promise<DataReply> {
    if (header.type !== 'knowledge.get') return refusal('invalid-message', `a teacher does not answer ${header.type}`);
    const { term } = this.#context;
    if (header.term !== term) return refusal('old-term', `the request is of term ${header.term}, this teacher of term ${term}`);
    const served = this.#served;
    if (served === null) return refusal('not-ready', 'no model is loaded yet');
    if (header.stage !== served.stage) return refusal('wrong-stage', `stage ${served.stage} is served, not ${header.stage}`);
    if (header.about.of !== 'view') return refusal('invalid-message', 'a teacher answers about views, and not about steps');
    const { epoch } = header.about;
    const [samples] = tensors;
    if (
      tensors.length !== 1 ||
      samples?.name !== 'samples' ||
      samples.data.length === 0 ||
      !(samples.data instanceof Int32Array) ||
      samples.shape.length !== 1
    ) {
      return refusal('invalid-message', 'knowledge.get has one tensor: samples, int32 [B], B from 1');
    }
    return this.#teach(served, header, { epoch, samples: samples.data });
  }

  async close(): Promise<void> {
    this.#loading.cancel();
    await this.#loading.idle();
    this.#served?.close();
    this.#served = null;
  }

  async #teach(served: ServedModel, { stage, specs, half }: DataRequestOf<'knowledge.get'>, view: SampleView): Promise<DataReply> {
    const { samples } = view;
    const rowsMax = Math.min(LIMITS.rowsPerRequest, served.rowsMax);
    if (samples.length > rowsMax) return refusal('too-large', `${samples.length} rows, of at most ${rowsMax}`);
    const unknown = samples.find((sample) => sample < 0 || sample >= served.sampleCount);
    if (unknown !== undefined) return refusal('unknown-sample', `sample ${unknown} is not in a split of ${served.sampleCount}`);
    const problem = served.problemOf(specs);
    if (problem !== null) return refusal('unknown-tap', `the model of stage ${served.from.stage}: ${problem}`);
    const asked = served.ask(view, specs);
    if (asked === null) return refusal('busy', 'too many requests wait');
    const knowledge = await asked.catch((error: unknown) => {
      if (error instanceof StillhouseError) {
        // Students would ask in vain, again and again.
        if (error.code === 'engine.outOfMemory' || error.code === 'data.damaged' || error.code === 'data.missing')
          reportFailure(this.#context, error, { stage });
        throw error;
      }
      this.#context.crash(error);
      return null;
    });
    if (knowledge === null) return refusal('failed', 'the engine ends');
    const wire = knowledgeToWire(knowledge, specs, half);
    if ('reason' in wire)
      return refusal(wire.reason, `teacher ${this.#context.worker}, model of stage ${served.from.stage}: ${wire.message}`);
    return { header: { type: 'knowledge.answer', stage }, tensors: wire.tensors };
  }

  async #load(order: CoordinatorMessageOf<'coordinator.serve'>, signal: AbortSignal): Promise<void> {
    const { stage, from } = order;
    const served = this.#served;
    if (served === null || served.stage !== stage || !isSameState(served.from, from)) {
      const next = await this.#open(order, signal);
      this.#served?.close();
      this.#served = next;
      this.#context.logger.info('teacher.serving', { stage, from });
    }
    this.#context.report({ type: 'worker.serving', stage });
  }

  async #open({ stage, from, hash }: CoordinatorMessageOf<'coordinator.serve'>, signal: AbortSignal): Promise<ServedModel> {
    const context = this.#context;
    const recipe = trainingStage(context, stage);
    const split = await abortable(context.splits.get(recipe.on), signal);
    const model = await openStageModel(context, { peer: from, signal }, stage);
    try {
      const { hash: schema, size } = model.program.schema.model;
      const wanted = { state: from, hash, schema, lengths: new Map([['parameters', size]]), signal };
      const { tensors } = await abortable(fetchCheckpoint(context, wanted, null), signal);
      model.program.writeParameters(present(tensors.get('parameters'), 'the parameters of a state'));
      return new ServedModel({ context, name: stage, stage: recipe, from, model, split });
    } catch (error) {
      model.dispose();
      throw error;
    }
  }
}
