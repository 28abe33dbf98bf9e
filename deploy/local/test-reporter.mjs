/** A reporter for vitest: it writes the number of tests by outcome to the file that test.mjs names. */

import { writeFileSync } from 'node:fs';

export default class CountReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: [] };
    for (const module of modules) {
      // A file that does not load has no tests, and counts as a failed test.
      if (module.errors().length > 0) counts.failed++;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') counts.passed++;
        else if (result.state === 'skipped') counts.skipped.push({ name: test.fullName, reason: reasonOf(test, result) });
        else counts.failed++;
      }
    }
    if (process.env.STILLHOUSE_TEST_REPORT) writeFileSync(process.env.STILLHOUSE_TEST_REPORT, JSON.stringify(counts));
  }
}

/** The reason of a skipped test: its own note when it skipped itself, or the `skipReason` of its meta data. */
function reasonOf(test, result) {
  return result.note ?? test.meta().skipReason ?? 'no reason was given';
}
