/** Addresses of the command line: what may be listened on, and the warning that goes with leaving this machine. */

import { isLoopback, requireEndpoint, requireLoopback } from '../transport/endpoint.js';
import type { Output } from './output.js';

/** Throws unless the address may be used; warns when it leaves this machine. */
export function checkEndpoint(endpoint: string, insecure: boolean, output: Output): void {
  requireEndpoint(endpoint);
  requireLoopback(endpoint, { insecure });
  if (isLoopback(endpoint)) return;
  output.alert('WARNING: --insecure: nothing is encrypted and nobody is asked who they are.');
  output.alert(`WARNING: whoever reaches ${endpoint} can read and change this run.`);
}
