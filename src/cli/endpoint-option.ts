/** Checks the addresses of the command line, and warns when other machines can reach them. */

import { isLoopback, requireEndpoint, requireLoopback } from '../transport/endpoint.js';
import type { Output } from './output.js';

/** Throws `transport.bind` or `transport.insecure` unless the address may be used. Warns when other machines can reach it. */
export function checkEndpoint(endpoint: string, insecure: boolean, output: Output): void {
  requireEndpoint(endpoint);
  requireLoopback(endpoint, { insecure });
  if (isLoopback(endpoint)) return;
  output.alert('WARNING: --insecure: connections are not encrypted, and nobody has to prove who they are.');
  output.alert(`WARNING: anybody who can reach ${endpoint} can read and change this run.`);
}
