import { describe, expect, test } from 'vitest';
import { isLoopback, requireEndpoint, requireLoopback } from '../../../src/transport/endpoint.js';

const LOCAL = ['tcp://127.0.0.1:5555', 'tcp://127.8.9.10:*', 'tcp://localhost:1', 'tcp://[::1]:80', 'ipc:///tmp/x', 'inproc://x'];
const WILDCARD = ['tcp://*:5555', 'tcp://0.0.0.0:*', 'tcp://[::]:5555'];
const REMOTE = ['tcp://192.168.0.1:5555', 'tcp://gpu-1:5555', 'tcp://127.0.0.1.example.org:5555', 'tcp://localhost.example.org:5555'];

describe('loopback', () => {
  test.each(LOCAL)('%s stays on this machine', (endpoint) => {
    expect(isLoopback(endpoint)).toBe(true);
    expect(() => requireLoopback(endpoint, { insecure: false })).not.toThrow();
  });

  test.each([...REMOTE, ...WILDCARD])('%s does not', (endpoint) => {
    expect(isLoopback(endpoint)).toBe(false);
    expect(() => requireLoopback(endpoint, { insecure: false })).toThrow(
      expect.objectContaining({ code: 'transport.insecure', message: expect.stringContaining('--insecure') }),
    );
    expect(() => requireLoopback(endpoint, { insecure: true })).not.toThrow();
  });
});

describe('addresses', () => {
  test.each([...LOCAL, ...REMOTE])('%s is one', (endpoint) => {
    expect(() => requireEndpoint(endpoint)).not.toThrow();
  });

  test.each(WILDCARD)('%s is none that others can connect to', (endpoint) => {
    expect(() => requireEndpoint(endpoint)).toThrow(
      expect.objectContaining({ code: 'transport.bind', message: expect.stringContaining('one network interface') }),
    );
  });

  test.each([
    ['127.0.0.1:9000', 'Write tcp://127.0.0.1:9000'],
    ['localhost:9000', 'Write tcp://localhost:9000'],
    ['http://gpu-1:9000/', 'Write tcp://gpu-1:9000'],
    ['[::1]:9000', 'Write tcp://[::1]:9000'],
    ['9000', 'Write tcp://127.0.0.1:9000'],
    ['gpu-1', 'Add a port, as in tcp://gpu-1:7700'],
    ['tcp://10.0.0.1', 'Add a port, as in tcp://10.0.0.1:7700'],
    ['what is this', 'Write tcp://host:port'],
  ])('%s is none, and the right form is named', (endpoint, hint) => {
    expect(() => requireEndpoint(endpoint)).toThrow(expect.objectContaining({ message: expect.stringContaining(hint) }));
  });

  test.each([
    '',
    'tcp://',
    'tcp://x',
    'tcp://x:',
    'tcp://x:65536',
    'tcp://x:-1',
    'tcp://:5',
    'http://x:80',
    'ipc://',
    '127.0.0.1:5',
    'tcp://a b:5',
  ])('%j is none', (endpoint) => {
    expect(() => requireEndpoint(endpoint)).toThrow('is not an address');
  });
});
