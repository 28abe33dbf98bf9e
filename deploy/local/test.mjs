/**
 * `npm test`, `npm run test:long` and `npm run test:network`: runs the set-up, then vitest with the given arguments. At the end it prints the
 * reason of each skipped test, and one line with the numbers of tests.
 */

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterSetUp, packageFolder } from './setup.mjs';

await afterSetUp(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse-test-'));
  const report = join(folder, 'report.json');
  // vitest's own output is for people; our reporter counts tests for the last line.
  const reporters = ['--reporter=default', `--reporter=${join(packageFolder, 'deploy/local/test-reporter.mjs')}`];
  const vitest = join(packageFolder, 'node_modules/vitest/vitest.mjs');
  const child = spawn(process.execPath, [vitest, 'run', ...reporters, ...vitestArguments(process.argv.slice(2))], {
    cwd: packageFolder,
    stdio: 'inherit',
    env: { ...process.env, STILLHOUSE_TEST_REPORT: report },
  });
  // Ctrl-C reaches vitest too and ends it; this process then prints the counts.
  process.on('SIGINT', () => {});
  const code = await new Promise((resolve) => child.on('close', (status) => resolve(status ?? 1)));
  process.exitCode = code;
  tellCounts(report);
  rmSync(folder, { recursive: true });
});

/** The arguments for vitest. When they name no project, all but the long tests run. */
function vitestArguments(given) {
  return given.includes('--project') ? given : ['--project', 'fast', '--project', 'e2e', ...given];
}

function tellCounts(report) {
  let counts;
  try {
    counts = JSON.parse(readFileSync(report, 'utf8'));
  } catch (error) {
    process.stdout.write(`there is no report of the tests: ${error.code === 'ENOENT' ? 'vitest ended before' : error.message}\n`);
    process.exitCode ||= 1;
    return;
  }
  for (const { name, reason } of counts.skipped) process.stdout.write(`skipped: ${name}: ${reason}\n`);
  process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped.length} skipped\n`);
}
