/**
 * The answering side of the data plane: requests in, one answer or one refusal each. Owns decoding, the bound on
 * requests in work, and turning failures into refusals; what an answer says is the caller's.
 * Invariants: every well-formed request gets exactly one answer, in whatever order they become ready; a request beyond
 * the bounds is refused at once, never queued; no request and no failing handler can stop the server.
 */

import { LIMITS } from '../base/limits.js';
import { messageOf } from '../errors/stillhouse-error.js';
import { decodeDataRequest, encodeData } from '../protocol/codec.js';
import type { DataAnswerBody, DataMessage, DataRequest } from '../protocol/data.js';
import { cutText, type RefuseReason } from '../protocol/field.js';
import type { Frames } from '../protocol/frames.js';
import type { WireTensor } from '../tensor/tensor.js';
import { DATA_CHANNEL } from '../transport/channel.js';
import type { Listener, PeerId, Transport, TransportCounters } from '../transport/transport.js';

/**
 * What a handler answers. The tensors are handed over for good: their memory must never change again, because the
 * transport may still be reading it long after (see transport.ts).
 */
export interface DataReply {
  readonly header: DataAnswerBody;
  readonly tensors: readonly WireTensor[];
}

export interface DataServer {
  /** Where clients can reach it, with the port that was taken. */
  readonly endpoint: string;
  counters(): TransportCounters;
  /** Answers still being made are dropped. Safe to call twice. */
  close(): Promise<void>;
}

export interface DataServerOptions {
  readonly transport: Transport;
  readonly endpoint: string;
  /** Makes the answer. Called concurrently; what it throws becomes the refusal `failed` with the error's message. */
  answer(request: DataMessage<DataRequest>): Promise<DataReply>;
}

/** A refusal as a handler's answer. The message is cut to what the wire carries. */
export function refusal(reason: RefuseReason, message: string): DataReply {
  return { header: { type: 'refuse', reason, message: cutText(message) }, tensors: [] };
}

/** Listens and answers until closed. Throws `transport.bind` when the address cannot be listened on. */
export async function serveData({ transport, endpoint, answer }: DataServerOptions): Promise<DataServer> {
  const inWork = new InWork();
  let malformed = 0;

  // A peer that is gone gets nothing, and neither does one whose queue is full: with at most as many requests out as the
  // queue is long, only a peer that does not read its answers fills it.
  const reply = (peer: PeerId, id: number, made: DataReply): void => {
    listener.send(peer, encodeReply(id, made));
  };
  const onMessage = (peer: PeerId, frames: Frames): void => {
    const request = decodeDataRequest(frames);
    if (!request.ok) {
      malformed++;
      if (request.id !== null) reply(peer, request.id, refusal(request.reason, request.detail));
      return;
    }
    const { id } = request.message.header;
    if (!inWork.start(peer)) {
      reply(peer, id, refusal('busy', `${inWork.countOf(peer)} requests of this peer and ${inWork.total} in all are in work`));
      return;
    }
    void answerOrRefuse(answer, request.message).then((made) => {
      inWork.end(peer);
      reply(peer, id, made);
    });
  };

  const listener: Listener = await transport.listen({ endpoint, ...DATA_CHANNEL, onMessage });
  return {
    endpoint: listener.endpoint,
    counters: () => {
      const counters = listener.counters();
      return { ...counters, refused: counters.refused + malformed };
    },
    close: () => listener.close(),
  };
}

async function answerOrRefuse(answer: DataServerOptions['answer'], request: DataMessage<DataRequest>): Promise<DataReply> {
  try {
    return await answer(request);
  } catch (error) {
    return refusal('failed', messageOf(error));
  }
}

/** An answer that cannot be put on the wire (too large, or not what its header says) is the handler's failure. */
function encodeReply(id: number, { header, tensors }: DataReply): Frames {
  try {
    return encodeData(header, id, tensors);
  } catch (error) {
    return encodeData(refusal('failed', messageOf(error)).header, id, []);
  }
}

/** Counts the requests being answered, per peer and in all. */
class InWork {
  readonly #perPeer = new Map<PeerId, number>();
  total = 0;

  countOf(peer: PeerId): number {
    return this.#perPeer.get(peer) ?? 0;
  }

  /** False, and nothing is counted, at the maximum. */
  start(peer: PeerId): boolean {
    const count = this.countOf(peer);
    if (count >= LIMITS.requestsInFlight || this.total >= LIMITS.requestsInWork) return false;
    this.#perPeer.set(peer, count + 1);
    this.total++;
    return true;
  }

  end(peer: PeerId): void {
    const count = this.countOf(peer);
    if (count === 1) this.#perPeer.delete(peer);
    else this.#perPeer.set(peer, count - 1);
    this.total--;
  }
}
