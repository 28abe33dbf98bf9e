/**
 * A process that tries the engines named by its arguments, and sends its parent the probe of each. So a command that needs
 * only the probes loads no engine itself, and does not die when an engine's native code does not work here.
 */

import { ENGINE_NAMES } from '../../config/schema.js';
import { EXIT } from '../../errors/table.js';
import { exitNow } from '../../process/exit.js';
import { linkToParent } from '../../process/parent-link.js';
import type { EngineProbe } from '../../system/engine-probe.js';
import { probeEngine } from '../catalogue.js';

const link = linkToParent<never, EngineProbe>();
if (link === null) {
  console.error('This process is started by stillhouse itself: run stillhouse engine list');
  exitNow(EXIT.usage);
}
const names = process.argv.slice(2);
for (const name of ENGINE_NAMES.filter((known) => names.includes(known))) link.send(await probeEngine(name));
await link.sent();
exitNow(EXIT.done);
