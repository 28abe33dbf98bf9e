/** Preloaded into a worker: others reach the data port of its engine through a proxy, and from SIGUSR2 on not any more. */

import { connect, createServer } from 'node:net';

const send = process.send?.bind(process);
if (send !== undefined) {
  process.send = (message, ...rest) => (message?.type === 'worker.ready' ? sendProxied(message, rest) : send(message, ...rest));
}

function sendProxied(message, rest) {
  const sockets = new Set();
  const port = Number(message.endpoint.split(':').at(-1));
  const server = createServer((caller) => {
    const engine = connect({ port, host: '127.0.0.1' });
    for (const [from, to] of [
      [caller, engine],
      [engine, caller],
    ]) {
      sockets.add(from);
      from.pipe(to);
      from.on('error', () => {});
      from.on('close', () => to.destroy());
    }
  });
  server.listen(0, '127.0.0.1', () => send({ ...message, endpoint: `tcp://127.0.0.1:${server.address().port}` }, ...rest));
  server.unref();
  process.once('SIGUSR2', () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return true;
}
