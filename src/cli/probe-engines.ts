/** Tries engines of this machine in a process of its own: see src/engines/probe. */

import type { EngineName } from '../config/schema.js';
import { startChild } from '../process/child.js';
import { describeEngineEnd } from '../process/engine-end.js';
import { engineEnvironment, NATIVE_GREETING } from '../system/engine-environment.js';
import type { EngineProbe } from '../system/engine-probe.js';
import { describeProcessor } from '../system/processor.js';

const MODULE = 'src/engines/probe/main.js';

/**
 * Tries the named engines, in their order. Never throws: when an engine ends the process, its probe says that it cannot be
 * used, and the next engine gets a new process. Only tests pass another `module`.
 */
export async function probeEngines(names: readonly EngineName[], module = MODULE): Promise<readonly EngineProbe[]> {
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
