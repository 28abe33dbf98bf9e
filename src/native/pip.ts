/**
 * Asks pip, because it knows the user's package index, mirrors and credentials. pip is asked for an address first and
 * downloads only as a last resort: its downloads start from the beginning after an interruption.
 */

import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool, type ToolEnd } from '../process/run-tool.js';
import { type FileAddress, lastError, readAddress, whyNoPage } from './pip-output.js';
import type { PipCommand } from './toolchain.js';
import { WHEEL_PYTHON, type Wheel } from './wheel.js';

export interface Pip extends PipCommand {
  readonly env: NodeJS.ProcessEnv;
  /** A folder for its temporary files and downloads: made when it is needed, removed afterwards. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** Answers the wheel's address, or the reason, in words, why pip does not know it. */
export async function askAddress(pip: Pip, wheel: Wheel): Promise<FileAddress | string> {
  // No version is below 0: pip looks at every file of the index, prints each, and downloads none.
  const { stdout, stderr } = await runDownload(pip, { wheel, version: '<0', options: ['-vv', '--retries', '1'] });
  await rm(pip.folder, { recursive: true, force: true });
  const found = readAddress(stdout, wheel.fileName);
  if (found !== null) return found;
  return whyNoPage(stdout) ?? `the package index has no ${wheel.fileName} (pip says: ${lastError(`${stdout}${stderr}`)})`;
}

/** Lets pip download the wheel. Answers the path of the file, in pip's folder, or the reason, in words, why it failed. */
export async function downloadByPip(pip: Pip, wheel: Wheel): Promise<{ readonly file: string } | string> {
  const { code, stdout, stderr } = await runDownload(pip, { wheel, version: `==${wheel.version}`, options: ['-vv'] });
  if (code === 0) return { file: join(pip.folder, wheel.fileName) };
  await rm(pip.folder, { recursive: true, force: true });
  return whyNoPage(stdout) ?? lastError(`${stdout}${stderr}`);
}

interface DownloadRun {
  readonly wheel: Wheel;
  /** The version with its operator, such as '==1.0'. */
  readonly version: string;
  readonly options: readonly string[];
}

async function runDownload({ command, env, folder, signal }: Pip, { wheel, version, options }: DownloadRun): Promise<ToolEnd> {
  await mkdir(folder, { recursive: true });
  const kind = [
    '--no-deps',
    '--only-binary=:all:',
    '--platform',
    wheel.platform,
    '--python-version',
    WHEEL_PYTHON,
    '--implementation',
    'cp',
  ];
  const args = ['download', ...options, '--no-cache-dir', '--disable-pip-version-check', ...kind, '--dest', folder];
  return runTool([...command, ...args, `${wheel.project}${version}`], { env: { ...env, TMPDIR: folder }, signal });
}
