/** The hosts of the other tests hear each other, unless the way is cut; also over a connection that was open before. */

import { expect, test } from 'vitest';
import { type HostScript, useScriptHosts } from './host-script.js';

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

const hosts = useScriptHosts();

function said({ output }: HostScript, text: string): Promise<void> {
  return expect.poll(output, { timeout: 30_000 }).toContain(text);
}

test('a cut in one direction loses what is sent that way, and a healed one brings it', async () => {
  const network = hosts.open(['a', 'b']);
  const server = hosts.start('b', '-e', SERVER);
  await said(server, 'listening');
  const client = hosts.start('a', '-e', CLIENT, network.addressOf('b'));
  await said(client, 'connected');
  client.say('1');
  await said(client, 'heard 1');

  const heal = network.cut('a', 'b');
  client.say('2');
  await said(server, 'heard 2');
  await expect(
    Promise.race([said(client, 'heard 2'), new Promise((resolve) => setTimeout(resolve, LONG_ENOUGH_MS, 'nothing'))]),
  ).resolves.toBe('nothing');
  heal();
  await said(client, 'heard 2');
});
