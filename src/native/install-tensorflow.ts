/**
 * Installs the native parts of the engine `tensorflow`, or repairs them. All parts are made and tried in a work folder,
 * then moved to their place by one rename: at any moment the parts in place are whole, or there are none.
 */

import { existsSync } from 'node:fs';
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Clock } from '../base/clock.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { compileBinding } from './binding.js';
import { checkRequirements, type Tools, whyNotWritable } from './check-requirements.js';
import { downloadedBytes } from './download.js';
import { fetchWheel } from './fetch-wheel.js';
import { sizeOnDisk } from './folder-size.js';
import type { InstallReport } from './install-report.js';
import { BINDING_VERSION, LIBRARIES, type NativeLayout, type NativeWork, nativeLayout, nativeWork } from './layout.js';
import { freeLock, takeLock } from './lock.js';
import { findMissingPart } from './missing-part.js';
import { pause } from './pause.js';
import { thisSystem } from './this-system.js';
import { tryEngine } from './try-engine.js';
import { unpackWheel } from './unpack.js';
import { chooseWheel, type Wheel } from './wheel.js';

export interface InstallOptions {
  /** The environment of the tools. It also names them (PATH, CXX, pip's own variables). */
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Pick<Clock, 'after'>;
  /** Ends the install. The downloaded bytes are kept. */
  readonly signal: AbortSignal;
  readonly report: (report: InstallReport) => void;
  /** The cache folder; the user's own when left out. */
  readonly cache?: string;
  /** The wheel to install; the one for this machine when left out. */
  readonly wheel?: Wheel;
}

export interface Installed {
  /** The parts that had to be made. */
  readonly done: 'nothing' | 'binding' | 'all';
  /** The folder of the installed parts. */
  readonly folder: string;
  /** The size of that folder on disk. */
  readonly bytes: number;
}

/** The interval between two attempts to take the lock. */
const LOOK_EVERY_MS = 500;
/** Space for the binding and for the file system's own use. */
const MARGIN_BYTES = 20_000_000;

/**
 * Installs the engine, after any other install or removal has ended. Throws `install.missing` (before anything is
 * downloaded), `install.unreachable`, `install.stopped`, `install.damaged`, `install.failed`, and the signal's reason.
 * After each of them, another call continues with the downloaded bytes.
 */
export async function installTensorflow(options: InstallOptions): Promise<Installed> {
  const layout = nativeLayout('cpu', options.cache);
  const work = nativeWork(options.cache);
  const wheel = options.wheel ?? wheelForThisSystem();
  const fault = await whyNotWritable(work.cache);
  // This throws, and checks the tools too, so that the user sees everything that is missing at once.
  if (fault !== null) await checkRequirements({ cache: work.cache, env: options.env, bytes: 0, download: true });
  await waitForLock(work, options);
  try {
    const done = await bringUp({ ...options, layout, work, wheel });
    return { done, folder: layout.folder, bytes: await sizeOnDisk(layout.folder) };
  } finally {
    await rm(work.stage, { recursive: true, force: true });
    await freeLock(work.lock);
  }
}

interface Job extends InstallOptions {
  readonly layout: NativeLayout;
  readonly work: NativeWork;
  readonly wheel: Wheel;
}

function wheelForThisSystem(): Wheel {
  const wheel = chooseWheel(thisSystem());
  if (typeof wheel !== 'string') return wheel;
  throw new StillhouseError('install.missing', wheel, { hint: 'Use the engine wasm: it runs on every machine' });
}

async function waitForLock({ lock }: NativeWork, { clock, signal, report }: InstallOptions): Promise<void> {
  for (let told = false; ; told = true) {
    const holder = await takeLock(lock);
    if (holder === null) return;
    if (!told) report({ type: 'note', text: `${holder} installs or removes the engine; waiting until it ends` });
    await pause(clock, LOOK_EVERY_MS, signal);
  }
}

/** Does the least work that makes the engine run: tries the parts in place, then makes the binding again, then all parts. */
async function bringUp(job: Job): Promise<Installed['done']> {
  const { layout, report } = job;
  const missing = findMissingPart(layout);
  if (missing === null) {
    report({ type: 'step', step: 'try', about: `the engine in ${layout.folder}` });
    const fault = await tryEngine(job.work.cache, job);
    if (fault === null) return 'nothing';
    report({ type: 'note', text: `the engine is installed, but does not work (${fault}); repairing it` });
  }
  if (hasLibrary(layout)) {
    const fault = await renewBinding(job);
    if (fault === null) return 'binding';
    report({ type: 'note', text: `with a new binding the engine does not work either (${fault}); installing it again` });
  }
  await installAll(job);
  return 'all';
}

function hasLibrary({ manifest, library, include }: NativeLayout): boolean {
  return [manifest, include, ...LIBRARIES.map((name) => join(library, name))].every((path) => existsSync(path));
}

/** Compiles the binding for the library in place. Answers the reason, in words, when the engine does not work with it; otherwise null. */
async function renewBinding(job: Job): Promise<string | null> {
  const { layout, work, env } = job;
  const tools = await checkRequirements({ cache: work.cache, env, bytes: MARGIN_BYTES, download: false });
  const stage = nativeLayout('cpu', work.stage);
  await rm(work.stage, { recursive: true, force: true });
  await mkdir(stage.folder, { recursive: true });
  await symlink(resolve(layout.library), stage.library);
  await symlink(resolve(layout.include), stage.include);
  const fault = await build(job, stage, tools);
  if (fault !== null) return fault;
  await rm(dirname(layout.binding), { recursive: true, force: true });
  await rename(dirname(stage.binding), dirname(layout.binding));
  await rm(work.folder, { recursive: true, force: true });
  return null;
}

async function installAll(job: Job): Promise<void> {
  const { layout, work, wheel, env, clock, signal, report } = job;
  const file = join(work.folder, wheel.fileName);
  const bytes = wheel.bytes - Math.min(downloadedBytes(file), wheel.bytes) + wheel.unpackedBytes + MARGIN_BYTES;
  const tools = await checkRequirements({ cache: work.cache, env, bytes, download: true });
  await fetchWheel({ wheel, file, pip: { ...tools.pip, env, folder: work.pip, signal }, clock, report });
  const stage = nativeLayout('cpu', work.stage);
  await rm(work.stage, { recursive: true, force: true });
  report({ type: 'step', step: 'unpack', about: `two libraries and their headers, ${Math.round(wheel.unpackedBytes / 1e6)} MB` });
  await unpackWheel(file, stage, {
    signal,
    onProgress: (done) => report({ type: 'progress', step: 'unpack', bytes: done, ofBytes: wheel.unpackedBytes }),
  });
  const fault = await build(job, stage, tools);
  if (fault !== null) {
    throw new StillhouseError('install.failed', `the engine tensorflow was built, but does not work here: ${fault}`, {
      hint: 'Use the engine wasm; `stillhouse engine remove tensorflow` deletes the download',
    });
  }
  await replace(layout.folder, stage.folder, join(work.folder, 'old'));
  await rm(work.folder, { recursive: true, force: true });
}

/** Compiles the binding in the stage folder and tries the engine. Answers the reason, in words, when it does not work; otherwise null. */
async function build({ env, signal, report, wheel, work }: Job, stage: NativeLayout, { compiler }: Tools): Promise<string | null> {
  report({ type: 'step', step: 'compile', about: `tfjs's binding ${BINDING_VERSION}, with ${compiler.join(' ')}` });
  await compileBinding(stage, { command: compiler, env, signal });
  await writeFile(stage.manifest, `${JSON.stringify({ wheel: wheel.fileName, sha256: wheel.sha256 })}\n`);
  report({ type: 'step', step: 'try', about: 'a convolution' });
  return tryEngine(work.stage, { env, signal });
}

/** Puts the new folder in the place of the old one, if there is an old one. */
async function replace(place: string, by: string, old: string): Promise<void> {
  await rm(old, { recursive: true, force: true });
  if (existsSync(place)) await rename(place, old);
  await rename(by, place);
}
