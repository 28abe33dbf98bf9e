/** The hosts of the other tests hear each other, unless the way is cut; also over a connection that was open before. */

import { type ChildProcess, spawn } from 'node:child_process';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NamespaceNetwork, whyNoNetwork } from './namespace-network.js';

const SERVER = `require('node:net').createServer((socket) => {
  console.log('connected');
  socket.on('data', (text) => { console.log('heard ' + text); socket.write(text); });
}).listen(7000, () => console.log('listening'));`;
/** Sends each line of its input, and prints the answers. */
const CLIENT = `const socket = require('node:net').connect(7000, process.argv[1], () => console.log('connected'));
process.stdin.on('data', (text) => socket.write(text));
socket.on('data', (text) => console.log('heard ' + text));`;
/** Packets are repeated after 0.2 s at first; nothing that is to come takes this long. */
const LONG_ENOUGH_MS = 1_000;

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

function start(host: string, script: string, ...args: readonly string[]): { say(text: string): void; said(text: string): Promise<void> } {
  const [program = '', ...rest] = [...(network?.launcherOf(host) ?? []), process.execPath, '-e', script, ...args];
  const child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  return {
    say: (text) => void child.stdin.write(text),
    said: (text) => expect.poll(() => output, { timeout: 30_000 }).toContain(text),
  };
}

test('a cut in one direction loses what is sent that way, and a healed one brings it', async () => {
  network = new NamespaceNetwork(['a', 'b']);
  const server = start('b', SERVER);
  await server.said('listening');
  const client = start('a', CLIENT, network.addressOf('b'));
  await client.said('connected');
  client.say('1');
  await client.said('heard 1');

  const heal = network.cut('a', 'b');
  client.say('2');
  await server.said('heard 2');
  await expect(
    Promise.race([client.said('heard 2'), new Promise((resolve) => setTimeout(resolve, LONG_ENOUGH_MS, 'nothing'))]),
  ).resolves.toBe('nothing');
  heal();
  await client.said('heard 2');
});
