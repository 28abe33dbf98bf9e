/**
 * Asks pip, which knows the user's package index, mirrors and credentials. It is asked for an address and ended before it
 * downloads: what it downloads begins anew after an interruption.
 */

import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool, type ToolEnd } from '../process/run-tool.js';
import { type FileAddress, readAddress, readPipConfig, whyNoAddress } from './pip-output.js';
import { WHEEL_PYTHON, type Wheel } from './wheel.js';

export interface Pip {
  /** The command and its first arguments. */
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** A folder for its temporary files and downloads: made when it is needed, removed afterwards. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** Where the wheel lies, or in words why pip does not know. */
export async function askAddress(pip: Pip, wheel: Wheel): Promise<FileAddress | string> {
  let found: FileAddress | null = null;
  const until = (line: string): boolean => {
    found ??= readAddress(line, wheel.fileName);
    return found !== null;
  };
  const { stdout, stderr } = await runDownload(pip, { wheel, options: ['-vv', '--retries', '1'], until });
  await rm(pip.folder, { recursive: true, force: true });
  return found ?? whyNoAddress(`${stdout}${stderr}`);
}

/** Has pip download the wheel. Answers the path of the file, in pip's folder, or in words why it did not. */
export async function downloadByPip(pip: Pip, wheel: Wheel): Promise<{ readonly file: string } | string> {
  const { code, stdout, stderr } = await runDownload(pip, { wheel, options: ['-vv'] });
  if (code === 0) return { file: join(pip.folder, wheel.fileName) };
  await rm(pip.folder, { recursive: true, force: true });
  return whyNoAddress(`${stdout}${stderr}`);
}

/** pip's settings by name: 'proxy', 'cert'. Empty when it does not tell. */
export async function pipSettings({ command, env, signal }: Pip): Promise<ReadonlyMap<string, string>> {
  return readPipConfig((await runTool([...command, 'config', 'list'], { env, signal })).stdout);
}

interface DownloadRun {
  readonly wheel: Wheel;
  readonly options: readonly string[];
  readonly until?: (line: string) => boolean;
}

async function runDownload({ command, env, folder, signal }: Pip, { wheel, options, until }: DownloadRun): Promise<ToolEnd> {
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
  const run = { env: { ...env, TMPDIR: folder }, signal };
  return runTool([...command, ...args, `${wheel.project}==${wheel.version}`], until === undefined ? run : { ...run, until });
}
