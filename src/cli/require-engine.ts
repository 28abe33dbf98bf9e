/** Checks that the engine of a recipe works on this machine. */

import type { Recipe } from '../config/schema.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { probeEngines } from './probe-engines.js';

/** Throws engine.unusable when the recipe needs a certain engine and this machine, on which its workers run, cannot use it. */
export async function requireEngine({ workers: { engine }, engine: { precision } }: Recipe): Promise<void> {
  if (engine === 'auto' && precision === 'fp32') return;
  const [needed, why] = engine === 'auto' ? (['tensorflow', `engine.precision ${precision}`] as const) : [engine, 'workers.engine'];
  const [probe] = await probeEngines([needed]);
  if (probe?.usable === true) return;
  throw new StillhouseError('engine.unusable', `${why}: the engine ${needed} cannot be used here: ${probe?.note ?? 'unknown'}`);
}
