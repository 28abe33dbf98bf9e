/** HTTP connections with the proxy and the certificates that pip and Node are configured with. */

import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { Agent, type Dispatcher, ProxyAgent } from 'undici';

export interface ConnectionSettings {
  /** pip's own settings by name; only 'proxy' and 'cert' are used. */
  readonly pip: ReadonlyMap<string, string>;
  readonly env: NodeJS.ProcessEnv;
}

const CERTIFICATE_VARIABLES = ['SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'NODE_EXTRA_CA_CERTS'];
/** The files in which Debian and Fedora keep the certificates that the administrator trusts. */
const SYSTEM_CERTIFICATES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt'];
/** A connection that brings no byte for this long is given up. */
const SILENCE_MS = 30_000;

/** The dispatcher that fetches from this address. The caller closes it. */
export function connectionTo(url: string, settings: ConnectionSettings): Dispatcher {
  const tls = { ca: certificates(settings), timeout: SILENCE_MS };
  const limits = { headersTimeout: SILENCE_MS, bodyTimeout: SILENCE_MS };
  const proxy = proxyFor(new URL(url), settings);
  if (proxy === null) return new Agent({ ...limits, connect: tls });
  return new ProxyAgent({ ...limits, uri: proxy, requestTls: tls, proxyTls: tls });
}

/** The URL of the proxy for an address, or null. Pure. pip's own setting comes before the environment's. */
export function proxyFor({ protocol, hostname, port }: URL, { pip, env }: ConnectionSettings): string | null {
  const without = (env.no_proxy ?? env.NO_PROXY ?? '').split(/[\s,]+/).filter((entry) => entry !== '');
  if (without.some((entry) => entry === '*' || isWithin(hostname, port, entry))) return null;
  const fromEnvironment = protocol === 'https:' ? (env.https_proxy ?? env.HTTPS_PROXY) : (env.http_proxy ?? env.HTTP_PROXY);
  const proxy = pip.get('proxy') ?? fromEnvironment ?? env.all_proxy ?? env.ALL_PROXY ?? '';
  if (proxy === '') return null;
  return proxy.includes('://') ? proxy : `http://${proxy}`;
}

/** Whether an entry of NO_PROXY names the host, or a domain of the host. */
function isWithin(hostname: string, port: string, entry: string): boolean {
  const [, name = '', entryPort] = /^\*?\.?(.*?)(?::(\d+))?$/.exec(entry) ?? [];
  if (entryPort !== undefined && entryPort !== port) return false;
  return hostname === name || hostname.endsWith(`.${name}`);
}

function certificates({ pip, env }: ConnectionSettings): string[] {
  const files = [pip.get('cert'), ...CERTIFICATE_VARIABLES.map((name) => env[name]), ...SYSTEM_CERTIFICATES];
  const named = new Set(files.filter((file) => file !== undefined && file !== ''));
  return [...rootCertificates, ...[...named].flatMap((file) => readCertificates(file as string))];
}

/** Empty when the setting names a folder or a missing file; then the other certificates are used alone. */
function readCertificates(file: string): string[] {
  try {
    return [readFileSync(file, 'utf8')];
  } catch {
    return [];
  }
}
