/**
 * `npm run bench`: sets this checkout up, compiles the bench beside the program, and runs it with the arguments given.
 * Compiles into a folder of its own, so that it does not stand in the way of a program that runs.
 */

import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterSetUp, packageFolder } from '../../deploy/local/setup.mjs';

await afterSetUp(async () => {
  const compiler = join(packageFolder, 'node_modules', 'typescript', 'bin', 'tsc');
  const compiled = spawnSync(process.execPath, [compiler, '-p', 'test/bench/tsconfig.json'], {
    cwd: packageFolder,
    stdio: ['ignore', 2, 2],
  });
  if (compiled.status !== 0) {
    process.exitCode = 1;
    return;
  }
  const main = join(packageFolder, 'dist.bench/test/bench/main.js');
  const child = spawn(process.execPath, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
  // Ctrl-C reaches the bench too, which ends by it.
  process.on('SIGINT', () => {});
  process.exitCode = await new Promise((resolve) => child.on('close', (status) => resolve(status ?? 1)));
});
