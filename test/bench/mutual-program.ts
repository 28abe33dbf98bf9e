/**
 * One of the two models of the rows of mutual learning, with its step program: the product's own program and loss, at the state that
 * the case starts from.
 */

import { present } from '../../src/base/assert.js';
import type { EngineName } from '../../src/config/schema.js';
import { openEngine } from '../../src/engines/catalogue.js';
import { messageOf } from '../../src/errors/stillhouse-error.js';
import { lossKnobsAt } from '../../src/losses/loss-plan.js';
import { buildModel } from '../../src/nn/build.js';
import { disposeModel } from '../../src/nn/weights.js';
import { buildEagerStep } from '../../src/step/eager-step.js';
import { loadTraining } from '../../src/step/load-training.js';
import type { StepKnobs, StepResult } from '../../src/step/step-program.js';
import { heldAsGraph, heldOpByOp } from '../support/held-memory.js';
import { trainStage } from '../support/training.js';
import type { MutualCase, Peer } from './mutual-case.js';
import { type OurProgram, openOurProgram } from './our-program.js';
import { Unusable } from './protocol.js';
import { readBatches, readFloats } from './training-case.js';

/** `mutual`: cross-entropy + KL(other || own), at temperature 1 (arXiv 1706.00384). `labels`: the cross-entropy alone. */
export type MutualLoss = 'mutual' | 'labels';

export interface MutualProgramOptions {
  readonly description: MutualCase;
  readonly peer: Peer;
  readonly loss: MutualLoss;
  /** The engine that is open. */
  readonly engine: EngineName;
  readonly trace: 'auto' | 'off';
}

export interface MutualProgram extends OurProgram {
  readonly knobs: StepKnobs;
  /** Puts the program into the state that the case starts from. */
  restart(): void;
}

/** Opens tfjs's engine. Throws Unusable when it does not work here. */
export async function openUsableEngine(engine: EngineName): Promise<void> {
  await openEngine(engine).catch((error: unknown) => {
    throw new Unusable(messageOf(error));
  });
}

/** A peer's model with what it trains by. */
async function openPeer({ description, peer, loss }: Pick<MutualProgramOptions, 'description' | 'peer' | 'loss'>) {
  const { inputShape, classes, rate, momentum, weightDecay, peers } = description;
  const model = await buildModel({ name: peers[peer].name, options: {} }, { inputShape, classes, seed: 1 });
  const optimizer = { name: 'sgd', rate, momentum, nesterov: false, weightDecay, decayAll: true } as const;
  const stage =
    loss === 'labels'
      ? trainStage({ optimizer })
      : {
          ...trainStage({ optimizer }),
          loss: { target: 'mean', temperature: 1, weight: 1, labelSmoothing: 0 } as const,
          others: ['other'],
        };
  const training = await loadTraining(stage, { model, seed: 1, buildTeacher: () => Promise.reject(new Error('nobody teaches')) });
  return { model, training, inputShape };
}

/** The program of a peer, at the start. */
export async function openMutualProgram(options: MutualProgramOptions): Promise<MutualProgram> {
  const { description, peer, engine, trace } = options;
  const { rate, peers } = description;
  const { training, ...parts } = await openPeer(options);
  const ours = openOurProgram({ ...parts, engine, training, precision: 'fp32', trace });
  const { program } = ours;
  const start = readFloats(peers[peer].arena);
  const restart = () => {
    program.writeParameters(start);
    program.resetSlots();
  };
  restart();
  return { ...ours, knobs: { rate, loss: lossKnobsAt(training.loss.plan, { epoch: 0, epochs: 1 }) }, restart };
}

/** The bytes that a peer's step keeps while it waits for the other's predictions: as a graph, those of the tensors that cross the cut. */
export async function heldBytes({
  description,
  peer,
  isTraced,
}: Pick<MutualProgramOptions, 'description' | 'peer'> & { isTraced: boolean }) {
  const parts = await openPeer({ description, peer, loss: 'mutual' });
  const { images, size } = present(readBatches(description)[0], 'a batch');
  try {
    if (isTraced) return heldAsGraph({ ...parts, images, size });
    const program = buildEagerStep(parts);
    const bytes = heldOpByOp(program, images, size);
    program.dispose();
    return bytes;
  } finally {
    disposeModel(parts.model);
  }
}

/** A gate's numbers of one peer: the labels' loss of its first step, and the loss of each step. */
export function gateNumbers(results: readonly StepResult[]): number[] {
  const [first] = results;
  const labels = (first?.terms.labels ?? Number.NaN) / (first?.count ?? Number.NaN);
  return [labels, ...results.map(({ lossSum, count }) => lossSum / count)];
}
