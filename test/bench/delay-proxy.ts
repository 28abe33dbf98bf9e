/**
 * A proxy for TCP connections that hands every piece of data on after a fixed delay, in both directions: a network with that one-way delay
 * and any bandwidth. A connection that one side closes is closed at once on the other.
 */

import { once } from 'node:events';
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';

export interface DelayProxyOptions {
  /** The port on this machine that it connects callers to. */
  readonly port: number;
  /** The one-way delay. */
  readonly delayMs: number;
}

export interface DelayProxy {
  /** The port on this machine where it listens. */
  readonly port: number;
  /** Ends all connections. */
  close(): Promise<void>;
}

/** Opens a proxy in this process, whose event loop must be free: what it computes delays the data too. */
export async function openDelayProxy({ port, delayMs }: DelayProxyOptions): Promise<DelayProxy> {
  const open = new Set<Socket>();
  const server = createServer({ noDelay: true }, (caller) => {
    const target = dial({ port, host: '127.0.0.1', noDelay: true });
    for (const [from, to] of [
      [caller, target],
      [target, caller],
    ] as const) {
      open.add(from);
      from.on('data', (piece) => void setTimeout(() => to.write(piece), delayMs));
      from.on('error', () => {});
      from.on('close', () => {
        open.delete(from);
        to.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
