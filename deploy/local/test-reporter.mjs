/** A reporter for vitest that leaves the number of tests by outcome in the file that test.mjs names. */

import { writeFileSync } from 'node:fs';

export default class CountReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: [] };
    for (const module of modules) {
      // A file that does not load has no tests, and is as bad as one that fails.
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

/** A test gives its reason when it skips itself; what is skipped before it runs has it in its meta data, or its suite has. */
function reasonOf(test, result) {
  return result.note ?? test.meta().skipReason ?? 'no reason was given';
}
