/**
 * The server of the data plane: each request gets one answer or one refusal. Owns decoding, the maximum of requests in
 * work, and turning errors into refusals. The caller's handler makes the answers.
 * Invariants: every well-formed request gets exactly one answer, in the order in which the answers are ready; a request
 * beyond a maximum is refused at once, never queued; no request and no error of a handler can stop the server.
 */

import { LIMITS } from '../base/limits.js';
import { messageOf } from '../errors/stillhouse-error.js';
import { decodeDataRequest, encodeData } from '../protocol/codec.js';
import type { DataAnswerBody, DataMessage, DataRequest } from '../protocol/data.js';
import { cutText, type RefuseReason } from '../protocol/field.js';
import type { Frames } from '../protocol/frames.js';
import type { WireTensor } from '../tensor/tensor.js';
import { DATA_CHANNEL } from '../transport/channel.js';
import type { ConnectionId, Listener, Transport, TransportCounters } from '../transport/transport.js';

/**
 * The answer of a handler. The handler gives the tensors away for good: their memory must never change again, because the
 * transport may read it long after (see transport.ts).
 */
export interface DataReply {
  readonly header: DataAnswerBody;
  readonly tensors: readonly WireTensor[];
}

export interface DataServer {
  /** The address for clients, with the port that was taken. */
  readonly endpoint: string;
  counters(): TransportCounters;
  /** Stops listening. Answers that are not ready are dropped. Safe to call twice. */
  close(): Promise<void>;
}

export interface DataServerOptions {
  readonly transport: Transport;
  readonly endpoint: string;
  /** Makes the answer. It is called concurrently. An error becomes the refusal `failed` with the error's message. */
  answer(request: DataMessage<DataRequest>): Promise<DataReply>;
}

/** A refusal as a handler's answer. A message that is too long for the wire is cut. */
export function refusal(reason: RefuseReason, message: string): DataReply {
  return { header: { type: 'refuse', reason, message: cutText(message) }, tensors: [] };
}

/** Listens, and answers requests until it is closed. Throws `transport.bind` when the address cannot be listened on. */
export async function serveData({ transport, endpoint, answer }: DataServerOptions): Promise<DataServer> {
  const inWork = new InWork();
  let malformed = 0;

  // The answer is dropped when the connection is gone or its queue is full. A client may have as many unanswered requests as
  // the queue holds messages, so only a client that does not read its answers fills the queue.
  const reply = (connection: ConnectionId, id: number, made: DataReply): void => {
    listener.send(connection, encodeReply(id, made));
  };
  const onMessage = (connection: ConnectionId, frames: Frames): void => {
    const request = decodeDataRequest(frames);
    if (!request.ok) {
      malformed++;
      if (request.id !== null) reply(connection, request.id, refusal(request.reason, request.detail));
      return;
    }
    const { id } = request.message.header;
    if (!inWork.start(connection)) {
      reply(
        connection,
        id,
        refusal('busy', `${inWork.countOf(connection)} requests of this connection and ${inWork.total} in all are in work`),
      );
      return;
    }
    void answerOrRefuse(answer, request.message).then((made) => {
      inWork.end(connection);
      reply(connection, id, made);
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

/** Encodes an answer. When it cannot be encoded (too large, or not as its header says), the refusal `failed` is sent. */
function encodeReply(id: number, { header, tensors }: DataReply): Frames {
  try {
    return encodeData(header, id, tensors);
  } catch (error) {
    return encodeData(refusal('failed', messageOf(error)).header, id, []);
  }
}

/** Counts the requests in work, for each connection and in total. */
class InWork {
  readonly #perConnection = new Map<ConnectionId, number>();
  total = 0;

  countOf(connection: ConnectionId): number {
    return this.#perConnection.get(connection) ?? 0;
  }

  /** Counts a request and answers true; answers false, and counts nothing, at a maximum. */
  start(connection: ConnectionId): boolean {
    const count = this.countOf(connection);
    if (count >= LIMITS.requestsInFlight || this.total >= LIMITS.requestsInWork) return false;
    this.#perConnection.set(connection, count + 1);
    this.total++;
    return true;
  }

  end(connection: ConnectionId): void {
    const count = this.countOf(connection);
    if (count === 1) this.#perConnection.delete(connection);
    else this.#perConnection.set(connection, count - 1);
    this.total--;
  }
}
