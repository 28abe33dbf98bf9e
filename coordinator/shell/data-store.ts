/**
 * The answers of the coordinator's data server: workers put and fetch checkpoints, and this is the only
 * writer of them; those without files fetch the data. It takes only data that the core has asked for, in this term, from the incarnation that was
 * asked, and only committed parameters as a checkpoint. Knowledge, arenas and states come from the workers.
 */

import { assertNever } from '../../src/base/assert.js';
import type { Incarnation } from '../../src/base/ids.js';
import { putFromWire } from '../../src/checkpoint/checkpoint-wire.js';
import type { CheckpointStore } from '../../src/checkpoint/store.js';
import { spellPeer } from '../../src/config/peer.js';
import { totalOf } from '../../src/data/shard-plan.js';
import { messageOf, StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { Logger } from '../../src/log/logger.js';
import type { CoordinatorMessage } from '../../src/protocol/control.js';
import type { DataMessage, DataRequest, DataRequestOf } from '../../src/protocol/data.js';
import { describeState } from '../../src/protocol/state-name.js';
import { type DataReply, refusal } from '../../src/rpc/data-server.js';
import { clippedPart } from '../../src/tensor/state-parts.js';
import { slotsIn } from '../../src/tensor/state-tensors.js';
import type { WireTensor } from '../../src/tensor/tensor.js';
import type { CoreEvent } from '../core/types.js';
import type { SplitFeed } from './split-feed.js';
import type { HeldTerm } from './term.js';

export interface DataStoreOptions {
  readonly term: HeldTerm;
  readonly store: CheckpointStore;
  readonly feed: SplitFeed;
  readonly logger: Logger;
  /** Called when a checkpoint is on disk, whole, and before that after each part that no part before had the elements of. */
  readonly onStored: (event: Extract<CoreEvent, { type: 'checkpoint-part' | 'checkpoint-stored' }>) => void;
  /** Called when this coordinator may not go on. */
  readonly onOver: (error: unknown) => void;
}

/** The number of orders of each sort that are remembered: a put is repeated when its answer was lost. */
const REMEMBERED_MAX = 64;

export class DataStore {
  readonly #options: DataStoreOptions;
  /** The commit of each state, by describeState; its hash is null until the first put where the commit had none. */
  readonly #commits = new Map<string, { readonly hash: string | null; readonly committed: number }>();
  /** The incarnation that was asked for each state, by describeState, and the elements of its put that have come. */
  readonly #saves = new Map<string, { readonly incarnation: Incarnation; readonly taken: number }>();

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
      remember(this.#saves, describeState(message.state), { incarnation: message.incarnation, taken: 0 });
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
      if (error.code === 'run.busy' || error.code === 'run.gone') onOver(error);
      return refusal(error.code === 'checkpoint.missing' ? 'missing' : 'failed', error.message);
    }
  }

  async #handle({ header, tensors }: DataMessage<DataRequest>): Promise<DataReply> {
    switch (header.type) {
      case 'checkpoint.put':
        return this.#putCheckpoint(header, tensors);
      case 'checkpoint.get':
        return this.#getCheckpoint(header);
      case 'topology.get':
        return this.#getTopology(header);
      case 'split.get':
        return this.#options.feed.rows(header);
      case 'image.get':
        return this.#options.feed.images(header, tensors);
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
    const { incarnation, state, ranges, hash, schema, layout, start } = header;
    const old = this.#refuseOldTerm(header.term);
    if (old !== null) return old;
    const name = describeState(state);
    const save = this.#saves.get(name);
    if (save?.incarnation !== incarnation) {
      return refusal('wrong-round', `incarnation ${incarnation} was not asked to save ${name}`);
    }
    const commit = this.#commits.get(name);
    if (commit === undefined || (commit.hash !== null && commit.hash !== hash) || commit.committed !== totalOf(ranges)) {
      return refusal('wrong-round', `${totalOf(ranges)} samples with the hash ${hash} are not what was committed as ${name}`);
    }
    const content = putFromWire({ layout, start }, tensors);
    if (typeof content === 'string') return refusal('invalid-message', content);
    term.requireNewest();
    const outcome = await store.putPart({ info: { state, term: header.term, ranges, hash, schema }, layout, start, ...content });
    if (outcome.stored === 'part') {
      // One that came before gives the put no longer time.
      const taken = content.pieces.reduce((end, { data }) => end + data.length, start);
      if (taken > save.taken) {
        remember(this.#saves, name, { incarnation, taken });
        onStored({ type: 'checkpoint-part', state });
      }
      return STORED;
    }
    if (!outcome.stored) return refusal(outcome.reason, outcome.message);
    // A commit of one replica has no hash: the first put gives it.
    remember(this.#commits, name, { ...commit, hash });
    const lengths = new Map(layout.map((tensor) => [tensor.name, { length: tensor.size }]));
    onStored({ type: 'checkpoint-stored', checkpoint: outcome.checkpoint, slotsOf: slotsIn(lengths) });
    return STORED;
  }

  async #getCheckpoint({ state, column, start, end }: DataRequestOf<'checkpoint.get'>): Promise<DataReply> {
    const { store, logger } = this.#options;
    const { info, layout, pieces, hasOthersSlots } = await store.getPart(state, { column, ...clippedPart({ start, end }) });
    const { ranges, hash, schema } = info;
    if (hasOthersSlots && start === 0) logger.info('checkpoint.slotsOfAnother', { ...state, column });
    return {
      header: { type: 'state.answer', state, ranges: [...ranges], hash, schema, layout: [...layout], start },
      tensors: pieces.map(({ name, data }) => ({ name, dtype: 'float32', shape: [data.length], data })),
    };
  }

  /** The layers of a model are the same in all its checkpoints. */
  async #getTopology({ stage, peer }: DataRequestOf<'topology.get'>): Promise<DataReply> {
    const { store } = this.#options;
    const stored = store.list().whole.find(({ state }) => state.stage === stage && state.peer === peer);
    if (stored === undefined) return refusal('missing', `there is no checkpoint of the model ${spellPeer({ stage, peer })}`);
    const topology = await store.getTopology(stored.state);
    return {
      header: { type: 'topology.answer', stage, peer },
      tensors: [{ name: 'topology', dtype: 'uint8', shape: [topology.length], data: topology }],
    };
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
