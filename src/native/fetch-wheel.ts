/** Downloads the wheel into the work folder: asks pip for its address, downloads it, and lets pip download it if that fails. */

import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import type { Clock } from '../base/clock.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { download, downloadedBytes, hashOf } from './download.js';
import { connectionTo } from './http-connection.js';
import type { InstallReport } from './install-report.js';
import { askAddress, downloadByPip, type Pip } from './pip.js';
import type { FileAddress } from './pip-output.js';
import type { Wheel } from './wheel.js';

export interface FetchWheel {
  readonly wheel: Wheel;
  /** The path to write. */
  readonly file: string;
  readonly pip: Pip;
  readonly clock: Pick<Clock, 'after'>;
  readonly report: (report: InstallReport) => void;
}

const OFFLINE_HINT =
  "Check the network and pip's settings (index-url, proxy, cert; `pip config list` shows them), then run the command again";

/** Downloads the wheel, or the missing rest of it. Throws as {@link download} does. */
export async function fetchWheel(options: FetchWheel): Promise<void> {
  const { wheel, file, pip, report } = options;
  if (await isWhole(options)) return;
  report({ type: 'step', step: 'ask', about: `asking pip for the address of ${wheel.fileName}` });
  const address = await askAddress(pip, wheel);
  pip.signal.throwIfAborted();
  if (typeof address === 'string') {
    throw new StillhouseError('install.unreachable', `pip finds no ${wheel.project} ${wheel.version}: ${address}`, { hint: OFFLINE_HINT });
  }
  if (address.sha256 !== null && address.sha256 !== wheel.sha256) {
    throw new StillhouseError('install.damaged', `${address.url}: the package index offers another file under this name`, {
      hint: `Its SHA-256 is ${address.sha256} in place of ${wheel.sha256}: ask the administrator of the index that pip is configured with`,
    });
  }
  const already = downloadedBytes(file);
  const rest = already === 0 ? '' : `, ${megabytes(already)} of it are already here`;
  report({ type: 'step', step: 'download', about: `${megabytes(wheel.bytes)} from ${hostOf(address)}${rest}` });
  try {
    await downloadHere(options, address);
  } catch (error) {
    if (!(error instanceof StillhouseError) || error.code !== 'install.unreachable') throw error;
    report({ type: 'note', text: `${error.message}; pip downloads it now, and starts from the beginning after an interruption` });
    await downloadThere(options, error);
  }
}

async function isWhole({ wheel, file }: FetchWheel): Promise<boolean> {
  if (!existsSync(file)) return false;
  // The file was checked when it got its name, but the disk may have failed since.
  if ((await hashOf(file)) === wheel.sha256) return true;
  await rm(file);
  return false;
}

async function downloadHere({ wheel, file, pip, clock, report }: FetchWheel, { url }: FileAddress): Promise<void> {
  // pip hides passwords in addresses, and also knows addresses on the disk.
  if (!/^https?:/.test(url) || url.includes('****')) throw new StillhouseError('install.unreachable', `${url} is an address for pip alone`);
  const dispatcher = connectionTo(url, { pip: pip.settings, env: pip.env });
  try {
    await download(
      { url, file, bytes: wheel.bytes, sha256: wheel.sha256 },
      {
        dispatcher,
        clock,
        signal: pip.signal,
        onProgress: (bytes) => report({ type: 'progress', step: 'download', bytes, ofBytes: wheel.bytes }),
        onNote: (text) => report({ type: 'note', text }),
      },
    );
  } finally {
    await dispatcher.destroy();
  }
}

/** Lets pip download the wheel. `why` is the error of our own download. */
async function downloadThere({ wheel, file, pip }: FetchWheel, why: StillhouseError): Promise<void> {
  try {
    const got = await downloadByPip(pip, wheel);
    pip.signal.throwIfAborted();
    if (typeof got === 'string')
      throw new StillhouseError('install.unreachable', `${why.message}; and by pip: ${got}`, { hint: OFFLINE_HINT });
    const sha256 = await hashOf(got.file);
    if (sha256 !== wheel.sha256) {
      throw new StillhouseError('install.damaged', `the file that pip downloaded has the SHA-256 ${sha256} in place of ${wheel.sha256}`);
    }
    await rename(got.file, file);
    await rm(`${file}.partial`, { force: true });
  } finally {
    await rm(pip.folder, { recursive: true, force: true });
  }
}

function hostOf({ url }: FileAddress): string {
  return /^https?:/.test(url) ? new URL(url).host : url;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
