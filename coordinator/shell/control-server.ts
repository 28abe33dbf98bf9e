/**
 * The control plane's server: frames to messages and back. An invalid message is refused with its reason, counted
 * and logged, and never reaches the core; nothing that comes over a connection can make this throw.
 */

import type { Logger } from '../../src/log/logger.js';
import { decodeWorkerMessage, encodeControl } from '../../src/protocol/codec.js';
import type { CoordinatorMessage, WorkerMessage } from '../../src/protocol/control.js';
import type { Frames } from '../../src/protocol/frames.js';
import { CONTROL_CHANNEL } from '../../src/transport/channel.js';
import type { ConnectionId, Listener, SendOutcome, Transport } from '../../src/transport/transport.js';
import { BadMessageCount } from './bad-message-count.js';

export interface ControlServerOptions {
  readonly transport: Transport;
  readonly endpoint: string;
  readonly logger: Pick<Logger, 'warn'>;
  /** Takes a valid message; false when too many of this connection, or of all, are waiting. */
  deliver(connection: ConnectionId, message: WorkerMessage): boolean;
}

export interface ControlServer {
  /** The address where workers reach it. */
  readonly endpoint: string;
  send(connection: ConnectionId, message: CoordinatorMessage): SendOutcome;
  close(): Promise<void>;
}

/** Listens for workers. The caller closes the server. Throws `transport.bind`. */
export async function openControlServer(options: ControlServerOptions): Promise<ControlServer> {
  const { transport, endpoint, logger, deliver } = options;
  const badMessages = new BadMessageCount();
  const listener: Listener = await transport.listen({
    endpoint,
    ...CONTROL_CHANNEL,
    onMessage: (connection, frames) => receive(connection, frames),
  });

  function receive(connection: ConnectionId, frames: Frames): void {
    const decoded = decodeWorkerMessage(frames);
    if (decoded.ok && deliver(connection, decoded.message)) return;
    const refusal: Omit<RefuseMessage, 'type'> = decoded.ok
      ? { reason: 'busy', of: decoded.message.type, message: 'too many messages are waiting; send less often' }
      : { reason: decoded.reason, of: isHello(decoded.reason) ? 'worker.hello' : 'unknown', message: decoded.detail };
    const { answer, log } = badMessages.count(connection);
    if (log) logger.warn('message.refused', { connection, ...refusal, total: badMessages.total });
    if (answer) listener.send(connection, [encodeControl({ type: 'refuse', ...refusal })]);
  }

  return {
    endpoint: listener.endpoint,
    send: (connection, message) => listener.send(connection, [encodeControl(message)]),
    close: () => listener.close(),
  };
}

type RefuseMessage = Extract<CoordinatorMessage, { type: 'refuse' }>;

/** Refusals that only a hello gets. */
const isHello = (reason: string): boolean => reason === 'protocol-version' || reason === 'schema-mismatch';
