/** The students of a row in one process: each makes its part of a step on the gathered batch, and all average. */

import { present } from '../../src/base/assert.js';
import type { StageLoss } from '../../src/losses/stage-loss.js';
import type { RestOfBatch, StepBatch, StepKnobs, StepProgram, StepResult } from '../../src/step/step-program.js';
import { type Knowledge, type KnowledgeSpec, specKey } from '../../src/tensor/knowledge.js';
import { partOf } from './training.js';

export interface RowStep {
  /** The programs, which hold the same parameters. */
  readonly programs: readonly StepProgram[];
  readonly loss: Pick<StageLoss, 'student' | 'sides' | 'gathered'>;
  /** The whole batch, and the number of samples of each program, in its order. */
  readonly batch: StepBatch;
  readonly shares: readonly number[];
  readonly knobs: StepKnobs;
}

/** One step of the row, with the average that follows; the results of the programs. */
export function stepRow({ programs, loss, batch, shares, knobs }: RowStep): readonly StepResult[] {
  const starts = shares.map((_, i) => shares.slice(0, i).reduce((sum, share) => sum + share, 0));
  const parts = starts.map((start, i) => partOf(batch, start, start + shares[i]!));
  const { student: specs, other: otherSpecs } = present(loss.gathered, 'terms over the gathered batch');
  const taken = loss.sides.flatMap((side) => side.specs);
  const given = programs.map((program, i) => {
    const { images, size, other } = parts[i]!;
    const own = program.forward(images, size, { before: starts[i]!, others: batch.size - size });
    return { labels: parts[i]!.labels.classes, student: pick(specs, loss.student, own), other: pick(otherSpecs, taken, other) };
  });
  const results = programs.map((program, i) => {
    const others = given.filter((_, j) => j !== i);
    const rest: RestOfBatch = {
      before: starts[i]!,
      labels: { classes: Int32Array.from(others.flatMap(({ labels }) => [...labels])), mixed: null },
      student: specs.map((_, k) => joinRows(others.map(({ student }) => student[k]!))),
      other: otherSpecs.map((_, k) => joinRows(others.map(({ other }) => other[k]!))),
    };
    const { labels, other } = parts[i]!;
    return program.backward({ labels, other, rest }, knobs);
  });
  const arenas = programs.map((program) => program.readParameters());
  const average = arenas[0]!.map((_, at) => arenas.reduce((sum, arena, i) => sum + (shares[i]! / batch.size) * arena[at]!, 0));
  for (const program of programs) program.writeParameters(average);
  return results;
}

function pick(wanted: readonly KnowledgeSpec[], specs: readonly KnowledgeSpec[], knowledge: Knowledge): Knowledge {
  return wanted.map((spec) => present(knowledge[specs.findIndex((one) => specKey(one) === specKey(spec))], specKey(spec)));
}

function joinRows(parts: Knowledge): Knowledge[number] {
  const [, ...shape] = parts[0]!.shape;
  return {
    shape: [parts.reduce((sum, part) => sum + part.shape[0]!, 0), ...shape],
    data: Float32Array.from(parts.flatMap(({ data }) => [...data])),
  };
}
