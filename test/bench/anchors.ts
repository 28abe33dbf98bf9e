/** How sides in Python are started. */

import { join } from 'node:path';
import { packageFolder } from '../../src/process/package-folder.js';
import type { RowSettings, SideStart, Skip } from './row.js';

/** What a row against PyTorch answers when no Python was named. */
export const NO_TORCH: Skip = { skipped: 'no --torch PYTHON' };

export interface PythonSide {
  readonly label: string;
  /** A file in `anchors/`. */
  readonly script: string;
  readonly args: readonly string[];
  readonly imagesPerStep: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** A side in the Python that --torch names, which must be there. */
export function pythonSide(
  { torch, threads }: Pick<RowSettings, 'torch' | 'threads'>,
  { label, script, args, imagesPerStep, env }: PythonSide,
): SideStart {
  return {
    label,
    command: torch ?? '',
    args: ['-u', join(packageFolder, 'test/bench/anchors', script), ...args],
    env: {
      PYTHONDONTWRITEBYTECODE: '1',
      // One compiler at a time and in the process itself: no pool of processes that is left behind or not idle.
      TORCHINDUCTOR_COMPILE_THREADS: '1',
      // What torch.compile keeps is written for a number of threads, and found again for any other, at a third of the speed.
      TORCHINDUCTOR_CACHE_DIR: join(packageFolder, 'dist.bench', `torch-${threads}-threads`),
      ...env,
    },
    imagesPerStep,
  };
}
