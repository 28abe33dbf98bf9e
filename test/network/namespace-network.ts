/**
 * A network of hosts on this machine: each host is a network namespace, and a switch in a namespace of its own joins them.
 * Processes of one host reach those of another by its address alone, and the way from one host to another can be cut.
 * Needs root and the command `ip`.
 */

import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { present } from '../../src/base/assert.js';

/** The rule of the kernel's table of own addresses has to come after those that cut; it is the first by default. */
const LOCAL_PREFERENCE = '100';
const CUT_PREFERENCE = '10';

/** The reason in words why this machine cannot have such a network; null when it can. */
export function whyNoNetwork(): string | null {
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  if (spawnSync('ip', ['-V']).status !== 0) return 'network namespaces need the command ip (iproute2)';
  const name = `stillhouse-probe-${randomBytes(3).toString('hex')}`;
  const added = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' });
  if (added.status !== 0) return `network namespaces do not work here: ${added.stderr.trim()}`;
  spawnSync('ip', ['netns', 'delete', name]);
  return null;
}

export class NamespaceNetwork {
  readonly #tag = randomBytes(3).toString('hex');
  readonly #hosts: readonly string[];

  /** Makes the hosts, joined and up. Throws when a command fails, and leaves nothing behind. */
  constructor(hosts: readonly string[]) {
    this.#hosts = hosts;
    try {
      this.#make();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  addressOf(host: string): string {
    return `10.77.0.${present(this.#hosts.indexOf(host) + 1 || undefined, `the host ${host}`)}`;
  }

  /** The beginning of a command line that runs the rest of it on this host, in the same process. */
  launcherOf(host: string): readonly string[] {
    return ['ip', 'netns', 'exec', this.#namespaceOf(host)];
  }

  /** From now on `deaf` receives nothing of `other`: what it sends gets lost on the way. Returns the function that heals it. */
  cut(deaf: string, other: string): () => void {
    const rule = ['pref', CUT_PREFERENCE, 'iif', 'eth0', 'from', this.addressOf(other), 'blackhole'];
    ip('-n', this.#namespaceOf(deaf), 'rule', 'add', ...rule);
    return () => ip('-n', this.#namespaceOf(deaf), 'rule', 'delete', ...rule);
  }

  /** Removes the hosts. A namespace whose processes are still alive goes with the last of them. */
  close(): void {
    for (const name of ['switch', ...this.#hosts]) spawnSync('ip', ['netns', 'delete', this.#namespaceOf(name)]);
  }

  #make(): void {
    const theSwitch = this.#namespaceOf('switch');
    ip('netns', 'add', theSwitch);
    ip('-n', theSwitch, 'link', 'add', 'bridge', 'type', 'bridge');
    ip('-n', theSwitch, 'link', 'set', 'bridge', 'up');
    for (const [i, host] of this.#hosts.entries()) {
      const namespace = this.#namespaceOf(host);
      const port = `port${i}`;
      ip('netns', 'add', namespace);
      ip('-n', theSwitch, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
      ip('-n', theSwitch, 'link', 'set', port, 'master', 'bridge', 'up');
      ip('-n', namespace, 'address', 'add', `${this.addressOf(host)}/24`, 'dev', 'eth0');
      ip('-n', namespace, 'rule', 'add', 'pref', LOCAL_PREFERENCE, 'lookup', 'local');
      ip('-n', namespace, 'rule', 'delete', 'pref', '0');
      for (const device of ['lo', 'eth0']) ip('-n', namespace, 'link', 'set', device, 'up');
    }
  }

  #namespaceOf(host: string): string {
    return `stillhouse-${this.#tag}-${host}`;
  }
}

function ip(...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${error?.message ?? stderr.trim()}`);
}
