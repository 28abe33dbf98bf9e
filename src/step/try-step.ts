/**
 * Makes training steps of a model before a run begins, whole: forward, loss, gradient, update; and tells what shows in them. An engine
 * must be open. Axes: B batch, K classes.
 */

import type * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { present } from '../base/assert.js';
import { frozenLayers } from '../nn/freeze.js';
import { namedLayers } from '../nn/weights.js';
import { isFiniteArena } from '../tensor/finite.js';
import { buildEagerStep } from './eager-step.js';
import type { StepBatch, StepKnobs, StepResult } from './step-program.js';
import type { StepTraining } from './trainer.js';

export interface StepTrial {
  /** Its parameters are afterwards as they were before. */
  readonly model: LayersModel;
  readonly training: StepTraining;
  /** Height, width, channels. */
  readonly inputShape: readonly [number, number, number];
  readonly knobs: StepKnobs;
  /** The batches, from the first one on. Those after the first are asked for only while a layer has had no gradient. */
  readonly batches: Iterable<StepBatch>;
}

export interface TriedStep {
  /** The result of the first step. */
  readonly result: StepResult;
  /** Its logits, [B, K]. */
  readonly logits: Float32Array;
  /** The first layer whose gradient is not finite in the first step; null when all are. */
  readonly spoilt: string | null;
  /** The layers that train and got no gradient, or one of 0 alone, in every step. */
  readonly silent: readonly string[];
  /** Whether any layer got another gradient. */
  readonly learns: boolean;
}

/**
 * One step; and some more while a layer gets no gradient, because a layer behind a factor that begins at 0 learns from the second step on.
 * Throws what the model and the loss throw.
 */
export function tryStep({ model, training, inputShape, knobs, batches }: StepTrial): TriedStep {
  const watch = new GradientWatch(model, frozenLayers(model, training.stage.freeze));
  const program = buildEagerStep({ model, training, inputShape, onGradients: (gradients) => watch.note(gradients) });
  try {
    const initial = program.readParameters();
    let first: Pick<TriedStep, 'result' | 'logits' | 'spoilt'> | null = null;
    for (const { images, size, ...answers } of batches) {
      const [logits] = program.forward(images, size);
      const result = program.backward(answers, knobs);
      first ??= { result, logits: present(logits, 'the logits').data, spoilt: watch.spoilt };
      if (!result.finite || watch.silent.length === 0) break;
    }
    program.writeParameters(initial);
    return { ...present(first, 'a batch'), silent: watch.silent, learns: watch.learns };
  } finally {
    program.dispose();
  }
}

/** Which layers have had a gradient. */
class GradientWatch {
  /** By layer, the names of its variables that train. Layers that have had a gradient are taken out. */
  readonly #waiting = new Map<string, readonly string[]>();
  readonly #layers: number;
  #spoilt: string | null = null;

  constructor(model: LayersModel, frozen: ReadonlySet<object>) {
    const trained = new Set(model.trainableWeights);
    for (const [name, layer] of namedLayers(model)) {
      if (frozen.has(layer)) continue;
      const own = layer.weights.filter((weight) => trained.has(weight)).map((weight) => (weight.read() as tf.Variable).name);
      if (own.length > 0) this.#waiting.set(name, own);
    }
    this.#layers = this.#waiting.size;
  }

  get silent(): readonly string[] {
    return [...this.#waiting.keys()];
  }

  get learns(): boolean {
    return this.#waiting.size < this.#layers;
  }

  get spoilt(): string | null {
    return this.#spoilt;
  }

  note(gradients: tf.NamedTensorMap): void {
    for (const [layer, variables] of this.#waiting) {
      const values = variables.flatMap((name) => gradients[name]?.dataSync<'float32'>() ?? []);
      if (!values.every(isFiniteArena)) this.#spoilt ??= layer;
      if (values.some((value) => value.some((element) => element !== 0))) this.#waiting.delete(layer);
    }
  }
}
