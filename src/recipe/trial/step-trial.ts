/** Makes a training step of each model that a stage trains, on two samples. */

import { present } from '../../base/assert.js';
import { modelKey, type PeerName, peerNamed, type TrainedPeer } from '../../config/peer.js';
import type { OtherSide, Recipe } from '../../config/schema.js';
import { assembleBatch } from '../../data/batch.js';
import { residentSource } from '../../data/resident-source.js';
import type { LabelledImages } from '../../data/sample-source.js';
import { knobsOfLoss } from '../../losses/stage-loss.js';
import type { buildModel } from '../../nn/build.js';
import { shapeSourceOf } from '../../nn/knowledge-model.js';
import { rateAt } from '../../optim/schedule.js';
import { batchKnowledge } from '../../step/batch-knowledge.js';
import { batchSamples } from '../../step/batch-samples.js';
import { buildEagerStep } from '../../step/eager-step.js';
import { joinTraining } from '../../step/load-training.js';
import type { StepBatch, StepProgram } from '../../step/step-program.js';
import type { StepTraining } from '../../step/trainer.js';
import { tryStep } from '../../step/try-step.js';
import type { Knowledge } from '../../tensor/knowledge.js';
import { BATCH, STEPS_MAX } from './examples.js';
import { describeFp32, faultOfLogits, judgeStep, type StepFindings } from './judge-step.js';

/** The built models, by their keys (term-trial.ts). */
export type TrialModels = Map<string, Awaited<ReturnType<typeof buildModel>>>;

export interface TrialSubject {
  readonly recipe: Recipe;
  readonly models: TrialModels;
  /** Samples of each split that a stage trains on. */
  readonly examples: Readonly<Record<string, LabelledImages>>;
  /** The number of samples of each split. */
  readonly splitSizes: Readonly<Record<string, number>>;
}

interface StepSubject {
  readonly images: LabelledImages;
  readonly training: StepTraining;
}

/** The trials of a recipe's models. An engine must be open. */
export class StepTrials {
  readonly #recipe: Recipe;
  readonly #models: TrialModels;
  readonly #examples: TrialSubject['examples'];
  readonly #splitSizes: TrialSubject['splitSizes'];
  /** The models as they answer, by their names: teachers, and the other peers. */
  readonly #answering = new Map<string, StepProgram>();

  constructor({ recipe, models, examples, splitSizes }: TrialSubject) {
    this.#splitSizes = splitSizes;
    this.#recipe = recipe;
    this.#models = models;
    this.#examples = examples;
  }

  /** Makes a training step of this peer. Throws what its model and its loss throw. */
  async step(peer: TrainedPeer): Promise<StepFindings> {
    const { recipe: stage } = peer;
    const images = present(this.#examples[stage.on], `examples of ${stage.on}`);
    const model = this.#model(stage.model);
    const teacher = stage.teacher === undefined ? model : this.#model(this.#modelOf(peerNamed(stage.teacher)));
    const shapes = { student: shapeSourceOf(model), teacher: shapeSourceOf(teacher), seed: this.#recipe.seed };
    // A memory of the examples alone is enough to try it.
    const training = { ...(await joinTraining(stage, { ...shapes, samples: this.#splitSizes[stage.on] })), samples: images.count };
    const tried = tryStep({
      model,
      training,
      inputShape: [images.height, images.width, images.channels],
      knobs: {
        // The middle of the stage: at its beginning the rate and weights of terms may be 0.
        rate: rateAt(stage, { samples: stage.epochs / 2, samplesPerEpoch: 1 }),
        loss: knobsOfLoss(training.loss, { epoch: stage.epochs / 2, epochs: stage.epochs }),
      },
      batches: this.#batches(peer, { images, training }),
    });
    const found = judgeStep(peer, { tried, file: present(this.#recipe.models[stage.model], `model ${stage.model}`).module });
    const staysInFp32 = this.#recipe.engine.precision === 'bf16' && training.loss.takesInputGradient;
    return staysInFp32 ? { ...found, warnings: [...found.warnings, describeFp32(peer)] } : found;
  }

  /** Has a model from outside predict two images of its test split. Throws `model.invalid` when the outputs can be no logits. */
  judgeGiven(stage: string): void {
    const own = present(this.#recipe.stages[stage], `stage ${stage}`);
    const images = present('test' in own ? this.#examples[own.test] : undefined, `examples for ${stage}`);
    const { store } = residentSource(images, { name: stage, from: 0, to: images.count });
    const out = { images: new Float32Array(BATCH * images.height * images.width * images.channels), labels: new Int32Array(BATCH) };
    const { seed, data } = this.#recipe;
    const view = { seed, epoch: 0, augment: { cropPadding: 0, flip: false }, normalise: data.normalise };
    assembleBatch({ store, view, samples: Array.from({ length: BATCH }, (_, i) => i), out });
    const fault = faultOfLogits(this.#answer(this.#modelOf(peerNamed(stage)), images).predict(out.images, BATCH), BATCH);
    if (fault !== null) throw fault;
  }

  dispose(): void {
    for (const program of this.#answering.values()) program.dispose();
  }

  *#batches(peer: TrainedPeer, { images, training }: StepSubject): Iterable<StepBatch> {
    const { count, height, width, channels } = images;
    const { seed, data } = this.#recipe;
    const { store } = residentSource(images, { name: peer.recipe.on, from: 0, to: count });
    for (let step = 0; step < STEPS_MAX; step++) {
      const samples = Array.from({ length: BATCH }, (_, i) => step * BATCH + i);
      const out = { images: new Float32Array(BATCH * height * width * channels), labels: new Int32Array(BATCH) };
      const view = { seed, epoch: 0, augment: peer.recipe.augment, normalise: data.normalise };
      assembleBatch({ store, view, samples, out });
      const other = training.loss.sides.flatMap(({ from, specs }) =>
        this.#otherModels(peer, from).flatMap((name): Knowledge => batchKnowledge(this.#answer(name, images), out, specs)),
      );
      const numbered = batchSamples(training, { seed, epoch: 0 }, Int32Array.from(samples));
      yield { size: BATCH, images: out.images, labels: { classes: out.labels, mixed: null }, other, ...numbered };
    }
  }

  /** The models that the peer learns from. */
  #otherModels({ name: { stage }, recipe: { teacher, others = [] } }: TrainedPeer, from: OtherSide): readonly string[] {
    if (from === 'teacher') return [this.#modelOf(peerNamed(present(teacher, 'the teacher')))];
    return others.map((peer) => this.#modelOf({ stage, peer }));
  }

  #modelOf(name: PeerName): string {
    return modelKey(this.#recipe, name);
  }

  #model(name: string) {
    return present(this.#models.get(name), `model ${name}`);
  }

  #answer(name: string, { height, width, channels }: LabelledImages): StepProgram {
    const program =
      this.#answering.get(name) ?? buildEagerStep({ model: this.#model(name), training: null, inputShape: [height, width, channels] });
    this.#answering.set(name, program);
    return program;
  }
}
