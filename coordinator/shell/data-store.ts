/**
 * The answers of the coordinator's data server: workers put and fetch checkpoints and put exported models, and this is
 * the only writer of them. It takes only data that the core has asked for, in this term, from the incarnation that was
 * asked, and only committed parameters as a checkpoint. Knowledge, arenas and states come from the workers.
 */

import { assertNever } from '../../src/base/assert.js';
import type { Incarnation } from '../../src/base/ids.js';
import { writeFolder } from '../../src/checkpoint/atomic-folder.js';
import { nodeFileSystem } from '../../src/checkpoint/file-system.js';
import type { CheckpointStore } from '../../src/checkpoint/store.js';
import { spellPeer } from '../../src/config/peer.js';
import { totalOf } from '../../src/data/shard-plan.js';
import { messageOf, StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { Logger } from '../../src/log/logger.js';
import type { CoordinatorMessage } from '../../src/protocol/control.js';
import type { DataMessage, DataRequest, DataRequestOf } from '../../src/protocol/data.js';
import { describeState } from '../../src/protocol/state-name.js';
import { type DataReply, refusal } from '../../src/rpc/data-server.js';
import { hasSlotsOf, slotsIn, stateForColumn, stateFromWire, stateToWire } from '../../src/tensor/state-tensors.js';
import type { WireTensor } from '../../src/tensor/tensor.js';
import type { CoreEvent } from '../core/types.js';
import type { HeldTerm } from './term.js';

export interface DataStoreOptions {
  readonly term: HeldTerm;
  readonly store: CheckpointStore;
  readonly exportsFolder: string;
  readonly logger: Logger;
  /** Called when a checkpoint or an export is on disk, whole. */
  readonly onStored: (event: Extract<CoreEvent, { type: 'checkpoint-stored' | 'artifact-stored' }>) => void;
  /** Called when this coordinator may not go on. */
  readonly onOver: (error: unknown) => void;
}

/** The number of orders of each sort that are remembered: a put is repeated when its answer was lost. */
const REMEMBERED_MAX = 64;

export class DataStore {
  readonly #options: DataStoreOptions;
  /** The commit of each state, by describeState; its hash is null until the first put where the commit had none. */
  readonly #commits = new Map<string, { readonly hash: string | null; readonly committed: number }>();
  /** The incarnation that was asked for each state, by describeState. */
  readonly #saves = new Map<string, Incarnation>();
  /** The incarnation that was asked to export each model, by spellPeer. */
  readonly #exports = new Map<string, Incarnation>();

  constructor(options: DataStoreOptions) {
    this.#options = options;
  }

  /** Must be called with each message that the core sends. From then on the data that the message asks for is taken. */
  expect(message: CoordinatorMessage): void {
    if (message.type === 'coordinator.commit') {
      const { state, hash, committed } = message;
      remember(this.#commits, describeState(state), { hash, committed });
    }
    if (message.type === 'coordinator.save' && message.others !== null)
      remember(this.#saves, describeState(message.state), message.incarnation);
    if (message.type === 'coordinator.assign' && message.work.kind === 'export')
      remember(this.#exports, spellPeer(message.base.state), message.incarnation);
  }

  /** Answers a request. Never rejects: an error is logged and becomes a refusal. */
  async answer(request: DataMessage<DataRequest>): Promise<DataReply> {
    const { logger, onOver } = this.#options;
    try {
      const reply = await this.#handle(request);
      if (reply.header.type === 'refuse') logger.warn('data.refused', { of: request.header.type, ...reply.header });
      return reply;
    } catch (error) {
      logger.error('data.failed', { of: request.header.type, error });
      if (!(error instanceof StillhouseError)) return refusal('failed', messageOf(error));
      if (error.code === 'run.busy') onOver(error);
      return refusal(error.code === 'checkpoint.missing' ? 'missing' : 'failed', error.message);
    }
  }

  async #handle({ header, tensors }: DataMessage<DataRequest>): Promise<DataReply> {
    switch (header.type) {
      case 'checkpoint.put':
        return this.#putCheckpoint(header, tensors);
      case 'checkpoint.get':
        return this.#getCheckpoint(header);
      case 'artifact.put':
        return this.#putArtifact(header, tensors);
      case 'knowledge.get':
      case 'arena.get':
      case 'state.get':
      case 'slots.get':
        return refusal('missing', `the coordinator does not answer ${header.type}: ask a worker`);
      default:
        return assertNever(header, 'data request');
    }
  }

  async #putCheckpoint(header: DataRequestOf<'checkpoint.put'>, tensors: readonly WireTensor[]): Promise<DataReply> {
    const { term, store, onStored } = this.#options;
    const { incarnation, state, ranges, hash, schema } = header;
    const old = this.#refuseOldTerm(header.term);
    if (old !== null) return old;
    const name = describeState(state);
    if (this.#saves.get(name) !== incarnation) {
      return refusal('wrong-round', `incarnation ${incarnation} was not asked to save ${name}`);
    }
    const commit = this.#commits.get(name);
    if (commit === undefined || (commit.hash !== null && commit.hash !== hash) || commit.committed !== totalOf(ranges)) {
      return refusal('wrong-round', `${totalOf(ranges)} samples with the hash ${hash} are not what was committed as ${name}`);
    }
    const content = stateFromWire(tensors);
    if (typeof content === 'string') return refusal('invalid-message', `a checkpoint is the tensors of a state: ${content}`);
    term.requireNewest();
    const outcome = await store.put({ info: { state, term: header.term, ranges, hash, schema }, tensors: content });
    if (!outcome.stored) return refusal(outcome.reason, outcome.message);
    // A commit of one replica has no hash: the first put gives it.
    remember(this.#commits, name, { ...commit, hash });
    onStored({ type: 'checkpoint-stored', checkpoint: outcome.checkpoint, slotsOf: slotsIn(content) });
    return STORED;
  }

  async #getCheckpoint({ state, column }: DataRequestOf<'checkpoint.get'>): Promise<DataReply> {
    const { info, tensors } = await this.#options.store.get(state);
    const { ranges, hash, schema } = info;
    if (column !== null && !hasSlotsOf(tensors, column)) this.#options.logger.info('checkpoint.slotsOfAnother', { ...state, column });
    const own = stateToWire(stateForColumn(tensors, column));
    return { header: { type: 'state.answer', state, ranges: [...ranges], hash, schema }, tensors: own };
  }

  async #putArtifact(header: DataRequestOf<'artifact.put'>, tensors: readonly WireTensor[]): Promise<DataReply> {
    const { term, exportsFolder, onStored, logger } = this.#options;
    const { stage, incarnation } = header;
    const model = spellPeer(header);
    const old = this.#refuseOldTerm(header.term);
    if (old !== null) return old;
    if (this.#exports.get(model) !== incarnation) {
      return refusal('wrong-stage', `incarnation ${incarnation} was not asked to export ${model}`);
    }
    // A file's name is a tensor's name, which has no separators and does not start with a dot.
    if (
      tensors.length === 0 ||
      tensors.some(({ dtype }) => dtype !== 'uint8') ||
      new Set(tensors.map(({ name }) => name)).size < tensors.length
    ) {
      return refusal('invalid-message', 'an artifact is one or more files of different names, each a tensor uint8 [bytes]');
    }
    term.requireNewest();
    await writeFolder({ fs: nodeFileSystem, parent: exportsFolder, name: model }, async (add) => {
      for (const { name, data } of tensors) await add(name, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    });
    logger.info('artifact.stored', { model, files: tensors.map(({ name }) => name) });
    onStored({ type: 'artifact-stored', incarnation, stage });
    return STORED;
  }

  #refuseOldTerm(term: number): DataReply | null {
    const own = this.#options.term.term;
    return term === own ? null : refusal('old-term', `term ${term} is not the coordinator's: it is in term ${own}`);
  }
}

const STORED: DataReply = { header: { type: 'stored' }, tensors: [] };

/** Sets the newest entry and forgets the oldest beyond the maximum. */
function remember<K, T>(map: Map<K, T>, key: K, value: T): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= REMEMBERED_MAX) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
