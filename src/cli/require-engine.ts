/** Whether the engine that a recipe needs works on this machine. */

import type { Recipe } from '../config/schema.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { probeApart } from './probe-apart.js';

/** Throws engine.unusable when the engine that the recipe needs does not work on this machine, where its workers are to run. */
export async function requireEngine({ workers: { engine }, engine: { precision } }: Recipe): Promise<void> {
  if (engine === 'auto' && precision === 'fp32') return;
  const [needed, why] = engine === 'auto' ? (['tensorflow', `engine.precision ${precision}`] as const) : [engine, 'workers.engine'];
  const [probe] = await probeApart([needed]);
  if (probe?.usable === true) return;
  throw new StillhouseError('engine.unusable', `${why}: the engine ${needed} cannot be used here: ${probe?.note ?? 'unknown'}`);
}
