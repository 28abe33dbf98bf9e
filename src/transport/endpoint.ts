/** Checks of addresses: whether they are valid, and whether only processes of this machine can reach them. */

import { StillhouseError } from '../errors/stillhouse-error.js';

const TCP = /^tcp:\/\/(\[[0-9a-fA-F:.]+\]|[^\s:/]+):(\d{1,5}|\*)$/;
/** Hosts that stand for every interface of a machine. They cannot be dialled. */
const WILDCARD = /^(0\.0\.0\.0|\*|\[::\])$/;
const LOCAL = /^(ipc|inproc):\/\/\S+$/;

/**
 * Throws `transport.bind` unless the text is an address that can be listened on and dialled. An address for every interface
 * is refused, because a listener gives its address to others, and they could not dial it.
 */
export function requireEndpoint(endpoint: string): void {
  const [, host = '', port] = TCP.exec(endpoint) ?? [];
  if (WILDCARD.test(host)) {
    throw new StillhouseError('transport.bind', `${endpoint} is not an address that others can connect to`, {
      hint: 'Give the address of one network interface of this machine',
    });
  }
  if (LOCAL.test(endpoint) || port === '*' || (port !== undefined && Number(port) <= 65535)) return;
  throw new StillhouseError('transport.bind', `${endpoint} is not an address`, {
    hint: meantBy(endpoint) ?? 'Write tcp://host:port (port * takes any free one), ipc://path or inproc://name',
  });
}

/** The hint where the address lacks its scheme, has that of something else, or lacks its port; null for any other mistake. */
function meantBy(endpoint: string): string | null {
  const rest = endpoint.replace(/^[a-z]+:\/{0,2}(?!\d+$)/i, '').replace(/\/+$/, '');
  if (/^\d{1,5}$/.test(rest)) return `Write tcp://127.0.0.1:${rest}`;
  if (TCP.test(`tcp://${rest}`)) return `Write tcp://${rest}`;
  return TCP.test(`tcp://${rest}:1`) ? `Add a port, as in tcp://${rest}:7700` : null;
}

/** Whether only processes of this machine can reach the address. False for any host name but localhost. */
export function isLoopback(endpoint: string): boolean {
  if (LOCAL.test(endpoint)) return true;
  const host = TCP.exec(endpoint)?.[1];
  return host !== undefined && (host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host));
}

/** Throws `transport.insecure` for an address that other machines can reach, unless `insecure` allows it. */
export function requireLoopback(endpoint: string, { insecure }: { readonly insecure: boolean }): void {
  if (insecure || isLoopback(endpoint)) return;
  throw new StillhouseError(
    'transport.insecure',
    `${endpoint} can be reached from other machines, and anybody who reaches it can take part in the run`,
    {
      hint: 'Use 127.0.0.1, or pass --insecure on a network where you trust every machine',
    },
  );
}
