/** A connection of the transport after a cut: messages pass again soon after its end, however long it was. */

import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { distFolder } from '../../src/process/package-folder.js';
import { useScriptHosts } from './host-script.js';

const IMPORTS = ['zmq-transport', 'channel'].map(
  (name) => `import * as ${name.split('-')[0]} from ${JSON.stringify(pathToFileURL(join(distFolder, `src/transport/${name}.js`)).href)};`,
);
/** Answers each message with itself. */
const LISTENER = `${IMPORTS.join('\n')}
const listener = await zmq.zmqTransport.listen({ endpoint: process.argv[1], ...channel.DATA_CHANNEL,
  onMessage: (connection, frames) => void listener.send(connection, frames) });
console.log('ready');`;
/** Sends a message again and again, and says when each answer came. */
const DIALER = `${IMPORTS.join('\n')}
const dialer = await zmq.zmqTransport.dial({ endpoint: process.argv[1], ...channel.DATA_CHANNEL, onMessage: () => console.log(Date.now()) });
setInterval(() => dialer.send([Buffer.alloc(100)]), 100);`;

/**
 * Between two repetitions of the operating system, which come some 12.6 s and 25.4 s after the beginning of a cut; they begin
 * with a round trip and double.
 */
const CUT_MS = 14_000;
/** To connect again takes one or two seconds. */
const SOON_MS = 5_000;

const hosts = useScriptHosts();

/** Starts a script on a host. Answers the lines that it has printed so far. */
function start(host: string, script: string, endpoint: string): () => readonly string[] {
  const { output } = hosts.start(host, '--input-type=module', '-e', script, endpoint);
  return () => output().split('\n').slice(0, -1);
}

test('after a cut of 14 s', async () => {
  const network = hosts.open(['dialer', 'listener']);
  const endpoint = `tcp://${network.addressOf('listener')}:7000`;
  const listener = start('listener', LISTENER, endpoint);
  await expect.poll(listener, { timeout: 30_000 }).toEqual(['ready']);
  const answers = start('dialer', DIALER, endpoint);
  await expect.poll(() => answers().length, { timeout: 30_000 }).toBeGreaterThan(0);

  const heals = [network.cut('dialer', 'listener'), network.cut('listener', 'dialer')];
  await wait(CUT_MS);
  for (const heal of heals) heal();
  const healMs = Date.now();
  await expect.poll(() => Number(answers().at(-1)), { timeout: 60_000 }).toBeGreaterThan(healMs);
  const first = answers()
    .map(Number)
    .find((atMs) => atMs > healMs);
  expect((first ?? 0) - healMs, 'the time until an answer came').toBeLessThan(SOON_MS);
});
