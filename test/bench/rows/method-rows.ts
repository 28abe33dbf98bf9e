/**
 * The rows of overheads: a student's step by each method against its step by plain distillation, both ours, on the engine `tensorflow`;
 * the knowledge is in memory. The gate: both sides begin with the same cross-entropy, the one that differs in nothing but the method,
 * and on each side the steps that are measured are the same steps op by op, in their losses and in what the first one changes.
 */

import { fileURLToPath } from 'node:url';
import { engineEnvironment } from '../../../src/system/engine-environment.js';
import { describeProcessor } from '../../../src/system/processor.js';
import { compareNumbers, compareUpdates } from '../gate.js';
import { METHODS, type MethodCase, PLAIN, writeMethodCase } from '../method-case.js';
import type { Contest, GateAnswer, Row, RowSettings, SideStart } from '../row.js';
import { readFloats } from '../training-case.js';

/** The largest relative differences that pass: of a loss, and of the change of a tensor of parameters, as a norm. */
const TOLERANCE = { value: 1e-4, update: 2e-2 };
/** A method's step is to take at most this share of the time of plain distillation's. */
const TIME_MOST = 1.3;

export const methodRows: readonly Row[] = Object.keys(METHODS).flatMap((method) => (method === PLAIN ? [] : [rowOf(method)]));

function rowOf(method: string): Row {
  return {
    name: `overhead-${method}`,
    what: `a step of ResNet-8x4 by ${method} against its step by ${PLAIN}`,
    warmUp: 20,
    batch: 64,
    ...(METHODS[method]?.isCostly === true ? {} : { timeMost: TIME_MOST }),
    async prepare(settings) {
      const { folder, batch } = settings;
      const description = await writeMethodCase({ folder, batch });
      return {
        ours: startOf(settings, method),
        anchors: [startOf(settings, PLAIN)],
        compare: (ours, anchor) => compareAnswers(description, { [method]: ours, [PLAIN]: anchor }),
      } satisfies Contest;
    },
  };
}

function startOf({ folder, trace, threads, batch }: RowSettings, method: string): SideStart {
  return {
    label: `Stillhouse tensorflow ${method}`,
    command: process.execPath,
    args: [fileURLToPath(new URL('../sides/method-side.js', import.meta.url)), folder, method, trace],
    env: engineEnvironment({ threads, processor: describeProcessor(), inherited: process.env }),
    imagesPerStep: batch,
  };
}

/** The first thing that differs more than it may, in words; null when there is none. */
function compareAnswers({ student, gateSteps }: MethodCase, answers: Readonly<Record<string, GateAnswer>>): string | null {
  const start = readFloats(student.arena);
  for (const [method, { numbers, arrays }] of Object.entries(answers)) {
    const [own, opByOp] = [numbers.slice(1, 1 + gateSteps), numbers.slice(1 + gateSteps)];
    const difference =
      compareNumbers(own, opByOp, TOLERANCE.value) ??
      compareUpdates(student.schema.entries, {
        start,
        ours: readFloats(arrays.parameters ?? ''),
        anchor: readFloats(arrays.opByOp ?? ''),
        tolerance: TOLERANCE.update,
      });
    if (difference !== null) return `${method}, the anchor being the same step op by op: ${difference}`;
  }
  const [ours = [], plain = []] = Object.values(answers).map(({ numbers }) => numbers.slice(0, 1));
  const difference = compareNumbers(ours, plain, TOLERANCE.value);
  return difference === null ? null : `the first cross-entropy: ${difference}`;
}
