/** The four transports that the contract tests run over, each with endpoints of its own. */

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Transport } from '../../src/transport/transport.js';
import { zmqTransport } from '../../src/transport/zmq-transport.js';
import { createMemoryTransport } from './memory-transport.js';

export interface TransportKind {
  readonly name: string;
  readonly transport: Transport;
  /** An address that nobody listens on. */
  endpoint(): string;
  /** Whether a dialer connects again when its listener has come back. */
  readonly reconnects: boolean;
}

let names = 0;
const folder = mkdtempSync(join(tmpdir(), 'stillhouse-'));

export const TRANSPORT_KINDS: readonly TransportKind[] = [
  { name: 'memory', transport: createMemoryTransport(), endpoint: () => 'tcp://127.0.0.1:*', reconnects: true },
  { name: 'inproc', transport: zmqTransport, endpoint: () => `inproc://contract-${++names}`, reconnects: false },
  { name: 'ipc', transport: zmqTransport, endpoint: () => `ipc://${join(folder, String(++names))}`, reconnects: true },
  { name: 'tcp', transport: zmqTransport, endpoint: () => 'tcp://127.0.0.1:*', reconnects: true },
];
