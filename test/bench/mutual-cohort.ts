/** The two peers of mutual learning in one process, without any exchange over a network: the gate's reference. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { present } from '../../src/base/assert.js';
import type { EngineName } from '../../src/config/schema.js';
import type { StepResult } from '../../src/step/step-program.js';
import { PEERS, readMutualCase } from './mutual-case.js';
import { gateNumbers, openMutualProgram, openUsableEngine } from './mutual-program.js';
import type { GateAnswer } from './row.js';
import { bytesOf, readBatches } from './training-case.js';

export interface CohortOptions {
  /** As written by mutual-case.ts. */
  readonly folder: string;
  readonly engine: EngineName;
  readonly trace: 'auto' | 'off';
}

/** The answer of the gate, peer after peer: both forward passes of a step, then both backward passes. Opens the engine in this process. */
export async function cohortGate({ folder, engine, trace }: CohortOptions): Promise<GateAnswer> {
  const description = readMutualCase(folder);
  await openUsableEngine(engine);
  const batches = readBatches(description);
  const cohort = await Promise.all(PEERS.map((peer) => openMutualProgram({ description, peer, loss: 'mutual', engine, trace })));
  const results: StepResult[][] = cohort.map(() => []);
  const arrays: Record<string, string> = {};
  for (let step = 0; step < description.gateSteps; step++) {
    const { images, labels, size } = present(batches[step % batches.length], 'a batch');
    const given = cohort.map(({ program }) => program.forward(images, size).slice(0, 1));
    for (const [i, { program, knobs }] of cohort.entries()) {
      const other = present(given[1 - i], "the other's predictions");
      present(results[i], 'results').push(program.backward({ labels, other }, knobs));
    }
    if (step > 0) continue;
    for (const [i, peer] of PEERS.entries()) {
      const file = join(folder, `gate-cohort-${process.pid}-${peer}.f32`);
      writeFileSync(file, bytesOf(present(cohort[i], peer).program.readParameters()));
      arrays[peer] = file;
    }
  }
  for (const { program } of cohort) program.dispose();
  return { numbers: results.flatMap(gateNumbers), arrays };
}
