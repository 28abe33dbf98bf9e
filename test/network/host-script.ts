/** Scripts that a test runs on hosts: the hosts and their processes are gone after each test; without a network the test is skipped. */

import { type ChildProcess, spawn } from 'node:child_process';
import { afterEach, beforeEach } from 'vitest';
import { present } from '../../src/base/assert.js';
import { NamespaceNetwork, whyNoNetwork } from './namespace-network.js';

/** A script that runs on a host. */
export interface HostScript {
  /** Writes to its input. */
  say(text: string): void;
  /** All that it has printed so far. */
  output(): string;
}

export interface ScriptHosts {
  /** Makes the hosts of a test. */
  open(hosts: readonly string[]): NamespaceNetwork;
  /** Starts Node on a host, with these arguments. */
  start(host: string, ...args: readonly string[]): HostScript;
}

/** Hosts for each test of the file that calls this. */
export function useScriptHosts(): ScriptHosts {
  let network: NamespaceNetwork | null = null;
  const children: ChildProcess[] = [];
  beforeEach((context) => {
    const reason = whyNoNetwork();
    context.skip(reason !== null, reason ?? '');
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    network?.close();
    network = null;
  });
  return {
    open(hosts) {
      network = new NamespaceNetwork(hosts);
      return network;
    },
    start(host, ...args) {
      const [program = '', ...rest] = [...present(network, 'the hosts').launcherOf(host), process.execPath, ...args];
      const child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
      children.push(child);
      let output = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
      return { say: (text) => void child.stdin.write(text), output: () => output };
    },
  };
}
