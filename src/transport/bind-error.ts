/** The errors of addresses that cannot be listened on or dialled, with the user's next action. */

import { createConnection } from 'node:net';
import { messageOf, StillhouseError } from '../errors/stillhouse-error.js';

/**
 * Throws EADDRINUSE when a process listens on the path of an ipc address. zmq itself would take the path away from that
 * process without an error. Addresses of other kinds pass.
 */
export async function requireFreePath(endpoint: string): Promise<void> {
  const path = /^ipc:\/\/([^@*].*)$/.exec(endpoint)?.[1];
  if (path === undefined) return;
  const taken = await new Promise<boolean>((resolve) => {
    const probe = createConnection({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
  if (taken) throw Object.assign(new Error('Address already in use'), { code: 'EADDRINUSE' });
}

const BIND_PROBLEMS: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  EADDRINUSE: ['the address is in use', 'End the process that listens there, or choose another port (* takes any free one)'],
  EACCES: ['permission is denied', 'Choose a port above 1023, or a folder that you may write to'],
  EADDRNOTAVAIL: ['this machine does not have that address', 'Choose an address of this machine, or 127.0.0.1'],
  ENODEV: ['this machine does not have that address', 'Choose an address of this machine, or 127.0.0.1'],
  ENOENT: ['the folder of the socket does not exist', 'Make the folder, or choose another path'],
};

/** The `transport.bind` error for an error that a socket threw. */
export function bindError(endpoint: string, error: unknown): StillhouseError {
  const [what, hint] = BIND_PROBLEMS[codeOf(error)] ?? [messageOf(error), 'Choose another address'];
  return new StillhouseError('transport.bind', `${endpoint} cannot be used: ${what}`, { hint, cause: error });
}

/** The code of a system error, such as EADDRINUSE; empty for any other error. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
