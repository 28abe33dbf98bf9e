/** A process that installs a wheel as told by its argument (JSON: cache, wheel), and writes each report as a line of JSON. */

import { systemClock } from '../../../dist/src/base/clock.js';
import { installTensorflow } from '../../../dist/src/native/install-tensorflow.js';

const { cache, wheel } = JSON.parse(process.argv[2]);
const tell = (report) => process.stdout.write(`${JSON.stringify(report)}\n`);
try {
  await installTensorflow({ env: process.env, clock: systemClock, signal: new AbortController().signal, report: tell, cache, wheel });
} catch (error) {
  tell({ type: 'error', code: error.code, message: error.message });
}
