import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { fetch } from 'undici';
import { describe, expect, test } from 'vitest';
import { connectionTo, proxyFor } from '../../../src/native/http-connection.js';
import { startFileServer } from '../../support/file-server.js';

const PROXY = 'http://proxy.example:3128';

describe('the proxy on the way to an address', () => {
  test.each<[string, string, NodeJS.ProcessEnv, Record<string, string>, string | null]>([
    ['none', 'https://f.example/a', {}, {}, null],
    ['of the environment', 'https://f.example/a', { HTTPS_PROXY: PROXY }, {}, PROXY],
    ['in small letters first', 'https://f.example/a', { HTTPS_PROXY: 'http://other', https_proxy: PROXY }, {}, PROXY],
    ['for all', 'https://f.example/a', { ALL_PROXY: PROXY }, {}, PROXY],
    ['of the other protocol is not taken', 'http://f.example/a', { HTTPS_PROXY: PROXY }, {}, null],
    ['of pip first', 'https://f.example/a', { HTTPS_PROXY: 'http://other' }, { proxy: PROXY }, PROXY],
    ['without a protocol', 'http://f.example/a', { http_proxy: 'proxy.example:3128' }, {}, PROXY],
    ['but not for the host', 'https://f.example/a', { HTTPS_PROXY: PROXY, NO_PROXY: 'a.b, f.example' }, {}, null],
    ['but not within the domain', 'https://f.example/a', { HTTPS_PROXY: PROXY, no_proxy: '.example' }, {}, null],
    ['but for a name that only ends so', 'https://of.example/a', { HTTPS_PROXY: PROXY, NO_PROXY: 'f.example' }, {}, PROXY],
    ['but not for the port', 'https://f.example:8443/a', { HTTPS_PROXY: PROXY, NO_PROXY: 'f.example:8443' }, {}, null],
    ['but for another port', 'https://f.example/a', { HTTPS_PROXY: PROXY, NO_PROXY: 'f.example:8443' }, {}, PROXY],
    ['but for nobody', 'https://f.example/a', { HTTPS_PROXY: PROXY, NO_PROXY: '*' }, {}, null],
  ])('%s', (_, url, env, pip, proxy) => {
    expect(proxyFor(new URL(url), { env, pip: new Map(Object.entries(pip)) })).toBe(proxy);
  });
});

test('a file is fetched through a proxy that pip is configured with', async () => {
  const server = await startFileServer({ '/a': { content: Buffer.from('through') } });
  const asked: string[] = [];
  const proxy = createServer().on('connect', ({ url = '' }, client) => {
    asked.push(url);
    const [host, port] = url.split(':');
    const onward = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      client.pipe(onward).pipe(client);
    });
    client.on('error', () => onward.destroy());
    onward.on('error', () => client.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const pip = new Map([['proxy', `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`]]);
  const dispatcher = connectionTo(server.url, { pip, env: {} });
  expect(await (await fetch(`${server.url}/a`, { dispatcher })).text()).toBe('through');
  expect(asked).toEqual([new URL(server.url).host]);
  await dispatcher.destroy();
  proxy.close();
  await server.close();
});
