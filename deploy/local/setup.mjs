/**
 * Makes this checkout ready to run: checks Node, installs the packages of the lock file (without their install scripts),
 * and compiles. It compares hashes of its inputs first, and does only the parts whose inputs have changed. It uses Node's
 * own modules only, because the packages may not be installed yet.
 */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of package.json. */
export const packageFolder = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

const NODE_MAJOR_MIN = 20;
const LOCK_FOLDER = join(packageFolder, 'dist.lock');
/** A set-up that takes longer than this counts as dead, and its lock is taken over. */
const LOCK_MAX_MS = 30 * 60_000;
const PACKAGES_STAMP = join(packageFolder, 'node_modules', '.stillhouse-packages');
const BUILD_STAMP = join(packageFolder, 'dist', '.stillhouse-build');
const SOURCES = ['src', 'coordinator', 'worker', 'tsconfig.json', 'tsconfig.build.json'];

/** An error that the user can mend. It is printed without a stack. */
export class SetupError extends Error {}

/** Installs the packages and compiles the program, if they are missing or old. Throws SetupError. */
export function setUp() {
  checkNode();
  const packages = packagesStamp();
  const build = buildStamp();
  if (isStamped(PACKAGES_STAMP, packages) && isStamped(BUILD_STAMP, build)) return;
  // From here on it takes long, and nothing of it returns to the event loop: a handler would keep the signal from ending it.
  for (const signal of ['SIGINT', 'SIGTERM']) process.removeAllListeners(signal);
  withLock(() => {
    if (!isStamped(PACKAGES_STAMP, packages)) {
      installPackages();
      writeFileSync(PACKAGES_STAMP, packages);
    }
    if (!isStamped(BUILD_STAMP, build)) {
      compile();
      writeFileSync(BUILD_STAMP, build);
    }
  });
}

/** Runs `main` after the set-up; a SetupError becomes a message and the exit code 1. */
export async function afterSetUp(main) {
  try {
    setUp();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`stillhouse set-up: ${error.message}\n`);
    process.exitCode = 1;
    return;
  }
  await main();
}

function checkNode() {
  const [major] = process.versions.node.split('.');
  if (Number(major) >= NODE_MAJOR_MIN) return;
  throw new SetupError(`this is Node ${process.versions.node}; Stillhouse needs Node ${NODE_MAJOR_MIN} or newer (https://nodejs.org)`);
}

/** The hash of the packages' inputs: the lock file, the platform, the processor and Node's binary interface. */
function packagesStamp() {
  const { modules } = process.versions;
  const hash = createHash('sha256').update(`${process.platform} ${process.arch} ${modules}\n`);
  return hash.update(readFileSync(join(packageFolder, 'package-lock.json'))).digest('hex');
}

/** The hash of the compiled program's inputs: the sources, and the compiler, whose version is in the lock file. */
function buildStamp() {
  const hash = createHash('sha256').update(readFileSync(join(packageFolder, 'package-lock.json')));
  for (const file of SOURCES.flatMap(filesUnder)) hash.update(`${file}\n`).update(readFileSync(join(packageFolder, file)));
  return hash.digest('hex');
}

function filesUnder(path) {
  const full = join(packageFolder, path);
  if (!existsSync(full)) return [];
  if (statSync(full).isFile()) return [path];
  const names = readdirSync(full).sort();
  return names.flatMap((name) => filesUnder(join(path, name))).filter((file) => /\.(ts|json)$/.test(file));
}

function isStamped(file, stamp) {
  return existsSync(file) && readFileSync(file, 'utf8') === stamp;
}

function installPackages() {
  tell('installing the packages of package-lock.json');
  const npm = findNpm();
  const result = spawnSync(npm.command, [...npm.args, 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: packageFolder,
    stdio: ['ignore', 2, 2],
  });
  if (result.status !== 0)
    throw new SetupError(
      'npm could not install the packages (see above). Check that the npm registry can be reached, then run the command again',
    );
}

/** Finds the npm that called this script, or else one next to node or on the PATH. It is run without a shell, so paths may have spaces. */
function findNpm() {
  const called = process.env.npm_execpath;
  if (called !== undefined && /npm-cli\.[cm]?js$/.test(called)) return { command: process.execPath, args: [called] };
  const windows = process.platform === 'win32';
  const folders = [dirname(process.execPath), ...(process.env.PATH ?? '').split(delimiter)];
  for (const folder of folders) {
    const script = [join(folder, 'node_modules/npm/bin/npm-cli.js'), join(folder, '../lib/node_modules/npm/bin/npm-cli.js')].find(
      existsSync,
    );
    if (script !== undefined) return { command: process.execPath, args: [script] };
    if (!windows && folder !== '' && existsSync(join(folder, 'npm'))) return { command: join(folder, 'npm'), args: [] };
  }
  throw new SetupError('npm is not on the PATH; it comes with Node (https://nodejs.org)');
}

/** Compiles into a new folder, which then replaces the old one, so that no output of a deleted source is left. */
function compile() {
  tell('compiling');
  const fresh = join(packageFolder, 'dist.new');
  const dist = join(packageFolder, 'dist');
  rmSync(fresh, { recursive: true, force: true });
  const compiler = join(packageFolder, 'node_modules', 'typescript', 'bin', 'tsc');
  const result = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--outDir', fresh], {
    cwd: packageFolder,
    stdio: ['ignore', 2, 2],
  });
  if (result.status !== 0) throw new SetupError('the sources do not compile (see above)');
  rmSync(dist, { recursive: true, force: true });
  renameSync(fresh, dist);
}

/** Runs `body` while no other set-up of this checkout runs. The lock is a folder, because only one process can make it. */
function withLock(body) {
  for (let told = false; !takeLock(); told = true) {
    if (!told) tell('waiting for another set-up of this checkout');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  }
  try {
    body();
  } finally {
    rmSync(LOCK_FOLDER, { recursive: true, force: true });
  }
}

function takeLock() {
  try {
    mkdirSync(LOCK_FOLDER);
    writeFileSync(join(LOCK_FOLDER, 'pid'), String(process.pid));
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw new SetupError(`cannot write to ${packageFolder}: ${error.message}`);
  }
  if (isAbandoned()) rmSync(LOCK_FOLDER, { recursive: true, force: true });
  return false;
}

function isAbandoned() {
  try {
    const ageMs = Date.now() - statSync(LOCK_FOLDER).mtimeMs;
    if (ageMs > LOCK_MAX_MS) return true;
    const owner = Number(readFileSync(join(LOCK_FOLDER, 'pid'), 'utf8'));
    process.kill(owner, 0);
    return false;
  } catch (error) {
    // ESRCH: the owner has ended. After any other error, the lock is just being made or released.
    return error.code === 'ESRCH';
  }
}

function tell(text) {
  process.stderr.write(`stillhouse set-up: ${text}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await afterSetUp(() => tell('this checkout is ready'));
