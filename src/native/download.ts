/**
 * Downloads one file whose size and hash are known. The bytes that have arrived are in `<file>.partial`, also after a
 * crash, and the next call continues from there. The file itself appears only when it is whole and checked.
 */

import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Dispatcher, fetch, type Headers, type Response } from 'undici';
import type { Clock } from '../base/clock.js';
import { messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import { DISK_HINT, isDiskFault } from './disk-fault.js';
import { pause } from './pause.js';

export interface Download {
  readonly url: string;
  /** The path to write; its folder is made when it is missing. */
  readonly file: string;
  /** The size of the whole file. */
  readonly bytes: number;
  /** The hash of the whole file, hexadecimal. */
  readonly sha256: string;
}

export interface DownloadContext {
  readonly dispatcher: Dispatcher;
  readonly clock: Pick<Clock, 'after'>;
  readonly signal: AbortSignal;
  /** Called with the number of bytes that have arrived, those of earlier calls included. */
  onProgress(bytes: number): void;
  /** Called with a message that the user should know. It needs no action. */
  onNote(text: string): void;
}

/** Attempts in a row that bring no byte: `atFirst` while this call has received none, `later` when it has received some. */
const TRIES = { atFirst: 2, later: 5 } as const;
const FIRST_PAUSE_MS = 1_000;

/**
 * Downloads the file, or the rest of it. Throws `install.unreachable` when no byte arrived, `install.stopped` when some did
 * but the connection was lost for good (a later call continues), `install.damaged` when the server has another file, and
 * the signal's reason.
 */
export async function download(what: Download, context: DownloadContext): Promise<void> {
  const partial = `${what.file}.partial`;
  await mkdir(dirname(what.file), { recursive: true });
  for (let isSecond = false; ; isSecond = true) {
    await fetchRest(what, partial, context);
    const sha256 = await hashOf(partial);
    if (sha256 === what.sha256) break;
    await rm(partial);
    if (isSecond) throw damaged(what, `the file has the SHA-256 ${sha256} in place of ${what.sha256}`);
    context.onNote('the downloaded file is damaged: its SHA-256 is not the expected one. It is deleted and downloaded again');
  }
  await rename(partial, what.file);
}

/** The number of bytes of a download that have arrived so far, by the path of its whole file. */
export function downloadedBytes(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? statSync(`${file}.partial`, { throwIfNoEntry: false })?.size ?? 0;
}

/** The SHA-256 of a file, hexadecimal. */
export async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

/** Fetches until all bytes have arrived, over as many connections as needed. */
async function fetchRest(what: Download, partial: string, context: DownloadContext): Promise<void> {
  const { clock, signal } = context;
  const atFirst = sizeOf(partial);
  let most = atFirst;
  for (let tries = 1; ; tries++) {
    if (sizeOf(partial) > what.bytes) await rm(partial);
    if (sizeOf(partial) === what.bytes) return;
    const fault = await fetchOnce(what, partial, context);
    signal.throwIfAborted();
    const bytes = sizeOf(partial);
    if (bytes === what.bytes) return;
    if (bytes > most) tries = 0;
    most = Math.max(most, bytes);
    if (tries >= (most > atFirst ? TRIES.later : TRIES.atFirst)) throw lost(what, { fault, hasBegun: most > 0 });
    const pauseMs = FIRST_PAUSE_MS * 2 ** Math.max(0, tries - 1);
    context.onNote(`the download was cut (${fault}); trying again in ${pauseMs / 1000} s`);
    await pause(clock, pauseMs, signal);
  }
}

/** Fetches over one connection. Answers the cause of its end, in words. Throws when another attempt cannot help. */
async function fetchOnce(what: Download, partial: string, context: DownloadContext): Promise<string> {
  try {
    const start = sizeOf(partial);
    const headers = { 'accept-encoding': 'identity', ...(start > 0 ? { range: `bytes=${start}-` } : {}) };
    const response = await fetch(what.url, { headers, dispatcher: context.dispatcher, signal: context.signal });
    await receive(response, { what, partial, start, context });
    return 'the connection ended early';
  } catch (error) {
    if (error instanceof StillhouseError) throw error;
    if (isDiskFault(error)) throw new StillhouseError('install.failed', messageOf(error), { cause: error, hint: DISK_HINT });
    return faultOf(error);
  }
}

interface Receiving {
  readonly what: Download;
  readonly partial: string;
  readonly start: number;
  readonly context: DownloadContext;
}

async function receive(response: Response, { what, partial, start, context }: Receiving): Promise<void> {
  const { status, body, headers } = response;
  if (status === 416) {
    // 416: the file has no such byte, so the bytes here are not a part of it.
    await rm(partial);
    await body?.cancel();
    return;
  }
  if (status !== 200 && status !== 206) {
    await body?.cancel();
    if (status === 408 || status === 429 || status >= 500) throw new Error(`the server answers ${status}`);
    throw new StillhouseError('install.unreachable', `${what.url}: the server answers ${status} ${response.statusText}`.trimEnd());
  }
  const { from, bytes } = status === 206 ? readRange(headers) : { from: 0, bytes: readLength(headers) };
  if ((status === 206 && from !== start) || (bytes !== null && bytes !== what.bytes)) {
    await body?.cancel();
    throw damaged(
      what,
      `the server has a file of ${bytes ?? 'unknown'} bytes, sent from ${from} on, in place of ${what.bytes} from ${start} on`,
    );
  }
  if (body === null) return;
  // Without a range, the server sends the file from its beginning.
  const file = await open(partial, from === 0 ? 'w' : 'a');
  try {
    let done = from;
    // Each piece is on disk before the next one is read, so a lost connection loses no piece that has arrived.
    for await (const piece of body as AsyncIterable<Uint8Array>) {
      done += piece.length;
      // More bytes than the file has: the server sends another file.
      if (done > what.bytes) throw damaged(what, `the server sends more than ${what.bytes} bytes`);
      await file.appendFile(piece);
      context.onProgress(done);
    }
  } finally {
    await file.close();
  }
}

function readRange(headers: Headers): { readonly from: number; readonly bytes: number | null } {
  const [, from, bytes] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '') ?? [];
  return { from: Number(from), bytes: bytes === undefined || bytes === '*' ? null : Number(bytes) };
}

function readLength(headers: Headers): number | null {
  const length = headers.get('content-length');
  return length === null || headers.has('content-encoding') ? null : Number(length);
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

function damaged({ url }: Download, what: string): StillhouseError {
  return new StillhouseError('install.damaged', `${url}: ${what}`, {
    hint: 'A mirror or a proxy on the way to the package index has another file under this name: ask its administrator',
  });
}

function lost({ url }: Download, { fault, hasBegun }: { readonly fault: string; readonly hasBegun: boolean }): StillhouseError {
  if (hasBegun) {
    return new StillhouseError('install.stopped', `${url}: the download stopped: ${fault}`, {
      hint: 'The downloaded part is kept: run the command again when the network is back, and the download continues',
    });
  }
  return new StillhouseError('install.unreachable', `${url}: ${fault}`);
}

/** fetch wraps the system's error in one of its own, and the errors of several addresses in another. This unwraps them. */
function faultOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return faultOf(error.errors[0]);
  if (error instanceof Error && error.cause !== undefined) return faultOf(error.cause);
  return messageOf(error);
}
