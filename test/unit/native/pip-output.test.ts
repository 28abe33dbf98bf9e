import { describe, expect, test } from 'vitest';
import { lastError, readAddress, readPipConfig, whyNoPage } from '../../../src/native/pip-output.js';

const SHA = 'ab'.repeat(32);

describe('the address of a file', () => {
  test.each<[string, string, { url: string; sha256: string | null } | null]>([
    [
      'with its hash',
      `  Found link https://files.example/p/a-1.whl#sha256=${SHA} (from https://index.example/simple/a/) (requires-python:>=3.10), version: 1`,
      { url: 'https://files.example/p/a-1.whl', sha256: SHA },
    ],
    [
      'without a hash',
      '  Found link https://files.example/p/a-1.whl (from x), version: 1',
      { url: 'https://files.example/p/a-1.whl', sha256: null },
    ],
    ['among other fragments', `Found link https://f/a-1.whl#egg=a&sha256=${SHA} (from x)`, { url: 'https://f/a-1.whl', sha256: SHA }],
    ['with a query', 'Found link https://f/a-1.whl?token=3 (from x)', { url: 'https://f/a-1.whl?token=3', sha256: null }],
    ['on a disk', 'Found link file:///wheels/a-1.whl (from -f)', { url: 'file:///wheels/a-1.whl', sha256: null }],
    ['of another file', 'Found link https://f/a-1.whl.metadata (from x)', null],
    ['that pip passed over', 'Link requires a different Python: https://f/a-1.whl', null],
    ['that is none', 'Collecting a==1', null],
  ])('%s', (_, line, found) => {
    const output = `  Found link https://f/a-0.whl (from x)\n${line}\n  Found link https://f/a-2.whl (from x)\n`;
    expect(readAddress(output, 'a-1.whl')).toEqual(found);
  });
});

describe('the pages that pip could not fetch', () => {
  test.each([
    [
      'refused, as pip 20 to 24 say it',
      `  Could not fetch URL http://127.0.0.1:9/simple/a/: connection error: HTTPConnectionPool(host='127.0.0.1', port=9): Max retries exceeded with url: /simple/a/ (Caused by NewConnectionError('<pip._vendor.urllib3.connection.HTTPConnection object at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused')) - skipping\nERROR: No matching distribution found for a==1`,
      'http://127.0.0.1:9/simple/a/: Connection refused',
    ],
    [
      'no name, as pip 26 says it',
      "  Could not fetch URL https://index.invalid/simple/a/: connection error: Failed to resolve IP address for 'index.invalid' ([Errno -2] Name or service not known) - skipping",
      'https://index.invalid/simple/a/: Name or service not known',
    ],
    [
      'not found',
      'Could not fetch URL https://i/simple/a/: 404 Client Error: Not Found for url: https://i/simple/a/ - skipping',
      'https://i/simple/a/: 404 Client Error: Not Found for url: https://i/simple/a/',
    ],
    ['none', 'ERROR: No matching distribution found for a==1\n', null],
  ])('%s', (_, output, why) => {
    expect(whyNoPage(output)).toBe(why);
  });
});

test.each([
  [
    'its own',
    'ERROR: Could not find a==1\nERROR: No matching distribution found for a==1\nsee below\n',
    'No matching distribution found for a==1',
  ],
  ['of its Python', 'Traceback\nImportError: no ssl\n', 'ImportError: no ssl'],
  ['none', '', ''],
])('the last error of pip: %s', (_, output, error) => {
  expect(lastError(output)).toBe(error);
});

test("pip's settings: the environment goes before the command's section, that before the global one", () => {
  const output = [
    "global.cert='/etc/ssl/a.crt'",
    "download.proxy='http://p:1'",
    "global.proxy='http://p:2'",
    ":env:.cert='/etc/ssl/b.crt'",
    "install.cert='/etc/ssl/c.crt'",
    "global.index-url='https://i/simple?a=b'",
    'nonsense',
  ].join('\n');
  expect(Object.fromEntries(readPipConfig(output))).toEqual({
    cert: '/etc/ssl/b.crt',
    proxy: 'http://p:1',
    'index-url': 'https://i/simple?a=b',
  });
});
