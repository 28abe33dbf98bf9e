/**
 * A model's knowledge as tensors: one pass over the model with the outputs that the specs need, then the reductions.
 * Gradients flow through both. Axes: B batch.
 */

import type * as tf from '@tensorflow/tfjs-core';
import { type LayersModel, model as makeModel } from '@tensorflow/tfjs-layers';
import { assertNever, present } from '../base/assert.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import type { KnowledgeSpec } from '../tensor/knowledge.js';
import { reduce, shapeOf } from './reduction/catalogue.js';
import { layerShapes, tapOf } from './tap.js';

export interface KnowledgeModel {
  /** The source's own layers, with the outputs that are needed, each once. It is the source itself where only logits are. */
  readonly model: LayersModel;
  /**
   * The tensors of the specs, in their order: of images [B, H, W, C], through `model` or another with the same outputs. To be
   * called inside tf.tidy. Two specs that mean the same output share a tensor.
   */
  run(images: tf.Tensor, options: RunOptions): tf.Tensor[];
}

export interface RunOptions {
  readonly training: boolean;
  /** A copy of `model`, as src/nn/fold.ts makes it. */
  readonly through?: LayersModel;
}

/** Throws `model.invalid` for a layer that is not there, and for a reduction that does not fit it. The source stays its owner's. */
export function knowledgeModel(source: LayersModel, specs: readonly KnowledgeSpec[]): KnowledgeModel {
  // A reduction that does not fit shows here, and not in the middle of a step.
  shapesOf(specs, shapeSourceOf(source));
  const logits = present(source.outputs[0], 'the output of a model');
  const wanted = specs.map((spec) => (spec.of === 'logits' ? logits : tapOf(source, spec.layer)));
  const outputs = [...new Set(wanted)];
  const isPlain = outputs.length === 1 && outputs[0] === logits;
  const model = isPlain ? source : makeModel({ name: source.name, inputs: source.inputs, outputs });
  return {
    model,
    run(images, { training, through = model }) {
      const values = [through.apply(images, { training }) as tf.Tensor | tf.Tensor[]].flat();
      return specs.map((spec, i) => {
        const value = present(values[outputs.indexOf(present(wanted[i], 'output'))], 'an output of the model');
        return spec.of === 'tap' && spec.reduce !== null ? reduce(value, spec.reduce) : value;
      });
    },
  };
}

/** The number of the model's classes, K. */
export function classesOf(model: LayersModel): number {
  return present(model.outputs[0]?.shape[1], "the number of the model's classes");
}

/** The shapes depend on this alone. */
export interface ShapeSource {
  /** K. */
  readonly classes: number;
  /** The shape of a layer's output, without the batch. Throws `model.invalid` for a layer that is not there. */
  layer(name: string): readonly number[];
}

/** The shapes of a model's knowledge. Usable when the model is disposed, too. */
export function shapeSourceOf(model: LayersModel): ShapeSource {
  return { classes: classesOf(model), layer: layerShapes(model) };
}

/** The shapes of a model that is known by its logits alone, or of none. */
export function withoutLayers(classes: number): ShapeSource {
  return {
    classes,
    layer(name) {
      throw new StillhouseError('model.invalid', `the loss takes the layer "${name}" of a model that it must not take layers of`, {
        hint: 'A loss that takes layers of the other side needs a stage with a teacher, and pairs of taps in the recipe',
      });
    },
  };
}

/** The shape of each spec's tensor, without the batch. Throws `model.invalid` where a layer is missing, or a reduction does not fit. */
export function shapesOf(specs: readonly KnowledgeSpec[], { classes, layer }: ShapeSource): readonly (readonly number[])[] {
  return specs.map((spec) => {
    switch (spec.of) {
      case 'logits':
        return [classes];
      case 'tap': {
        const shape = layer(spec.layer);
        return spec.reduce === null ? shape : shapeOf(spec.reduce, shape);
      }
      default:
        return assertNever(spec, 'knowledge');
    }
  });
}
