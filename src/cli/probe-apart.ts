/** What can compute on this machine, found out by a process of its own: see src/engines/probe. */

import type { EngineName } from '../config/schema.js';
import { startChild } from '../process/child.js';
import { describeEngineEnd } from '../process/engine-end.js';
import { engineEnvironment, NATIVE_GREETING } from '../system/engine-environment.js';
import type { EngineProbe } from '../system/engine-probe.js';
import { describeProcessor } from '../system/processor.js';

const MODULE = 'src/engines/probe/main.js';

/**
 * Probes the engines, named in the order in which `auto` tries them. Never throws: an engine that ends the process cannot
 * be used, and its probe says so. `module`: another process only in tests.
 */
export async function probeApart(names: readonly EngineName[], module = MODULE): Promise<readonly EngineProbe[]> {
  const probes: EngineProbe[] = [];
  while (probes.length < names.length) {
    const left = names.slice(probes.length);
    const child = startChild<EngineProbe, never>({
      module,
      args: left,
      env: engineEnvironment({ threads: 1, processor: describeProcessor(), inherited: process.env }),
      hideLines: NATIVE_GREETING,
    });
    child.onMessage((probe) => probes.push(probe));
    const end = await child.ended;
    const [next] = names.slice(probes.length);
    if (next !== undefined) probes.push({ name: next, usable: false, note: describeEngineEnd(end, next) });
  }
  return probes;
}
