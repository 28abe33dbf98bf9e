/** A real HTTP server on this machine that serves files well, or badly in one of the ways that servers do. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Served {
  readonly content: Buffer;
  /** What it is called; the content type of an answer. */
  readonly type?: string;
  /** A server that knows no ranges sends the whole file whatever is asked for. */
  readonly ignoresRange?: boolean;
  /** The connection is cut after so many bytes of each answer. */
  readonly cutAfter?: number;
  /** The connection stays open and silent after so many bytes. */
  readonly stallAfter?: number;
  /** Answered in place of the file. */
  readonly status?: number;
  /** Everybody whose user agent does not look like this is refused. */
  readonly onlyFor?: RegExp;
}

export interface FileServer {
  /** Without a slash at the end. */
  readonly url: string;
  /** What is served, by its path; may be changed at any time. */
  readonly files: Map<string, Served>;
  /** What was asked for so far: 'GET /a' or 'GET /a bytes=3-'. */
  readonly requests: string[];
  /** Resolves with the first request. */
  readonly requested: Promise<void>;
  /** Cuts all connections that are open. */
  cut(): void;
  close(): Promise<void>;
}

/** Starts it, on a free port. */
export async function startFileServer(files: Readonly<Record<string, Served>> = {}): Promise<FileServer> {
  const served = new Map(Object.entries(files));
  const requests: string[] = [];
  let tellRequested = (): void => {};
  const requested = new Promise<void>((resolve) => {
    tellRequested = resolve;
  });
  const server = createServer((request, response) => {
    tellRequested();
    const { method, url = '', headers } = request;
    requests.push([method, url, headers.range].filter((part) => part !== undefined).join(' '));
    const file = served.get(url);
    if (file === undefined) response.writeHead(404).end();
    else answer(file, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    files: served,
    requests,
    requested,
    cut: () => server.closeAllConnections(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(file: Served, request: IncomingMessage, response: ServerResponse): void {
  const isRefused = file.onlyFor?.test(request.headers['user-agent'] ?? '') === false;
  if (isRefused || file.status !== undefined) {
    response.writeHead(file.status ?? 403).end();
    return;
  }
  const { content } = file;
  const asked = file.ignoresRange ? undefined : /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1];
  const from = Number(asked ?? 0);
  if (from >= content.length) {
    response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
    return;
  }
  const range = asked === undefined ? {} : { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` };
  const type = file.type ?? 'application/octet-stream';
  response.writeHead(asked === undefined ? 200 : 206, { 'content-type': type, 'content-length': content.length - from, ...range });
  const part = content.subarray(from, from + (file.cutAfter ?? file.stallAfter ?? content.length));
  if (file.cutAfter !== undefined) response.write(part, () => request.socket.destroy());
  else if (file.stallAfter !== undefined) response.write(part);
  else response.end(part);
}

/** The page of a package index that offers one file. */
export function indexPage(file: string, sha256: string): Served {
  const page = `<!DOCTYPE html><html><body><a href="${file}#sha256=${sha256}">${file.split('/').at(-1)}</a></body></html>`;
  return { content: Buffer.from(page), type: 'text/html' };
}
