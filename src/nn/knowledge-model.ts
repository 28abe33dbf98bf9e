/**
 * A model's knowledge as tensors: one pass over the model with the outputs that the specs need, then the reductions.
 * Gradients flow through both. Axes: B batch.
 */

import type * as tf from '@tensorflow/tfjs-core';
import { type LayersModel, model as makeModel } from '@tensorflow/tfjs-layers';
import { assertNever, present } from '../base/assert.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import type { KnowledgeSpec, OutputSpec, RowShape, SampleSpec } from '../tensor/knowledge.js';
import { flowOf, flowShape } from './flow.js';
import { reduce, shapeOf } from './reduction/catalogue.js';
import { layerShapes, tapOf } from './tap.js';

export interface KnowledgeModel {
  /** The source's own layers, with each needed output once. It is the source itself where only logits are needed. */
  readonly model: LayersModel;
  /**
   * The tensors of the specs, in their order, for images [B, H, W, C], through `model` or another model with the same outputs. Must
   * be called inside tf.tidy. Two specs that mean the same output share a tensor.
   */
  run(images: tf.Tensor, options: RunOptions): tf.Tensor[];
}

export interface RunOptions {
  readonly training: boolean;
  /** A copy of `model`, as src/nn/fold.ts makes it. */
  readonly through?: LayersModel;
}

/** A view on the source for these specs. Throws `model.invalid` for a layer that is not there, and for a reduction that does not fit it. The source belongs to its owner. */
export function knowledgeModel(source: LayersModel, specs: readonly OutputSpec[]): KnowledgeModel {
  // Checked here, so that a reduction that does not fit fails before a step begins.
  shapesOf(specs, shapeSourceOf(source));
  const logits = present(source.outputs[0], 'the output of a model');
  const wanted = specs.map((spec) => layersOf(spec).map((layer) => (layer === null ? logits : tapOf(source, layer))));
  const outputs = [...new Set(wanted.flat())];
  const isPlain = outputs.length === 1 && outputs[0] === logits;
  const model = isPlain ? source : makeModel({ name: source.name, inputs: source.inputs, outputs });
  return {
    model,
    run(images, { training, through = model }) {
      const values = [through.apply(images, { training }) as tf.Tensor | tf.Tensor[]].flat();
      return specs.map((spec, i) => {
        const [value, second] = present(wanted[i], 'output').map((output) => values[outputs.indexOf(output)]);
        return tensorOf(spec, present(value, 'an output of the model'), second);
      });
    },
  };
}

/** The layers whose outputs a spec needs; null is the model's own output. */
function layersOf(spec: OutputSpec): readonly (string | null)[] {
  switch (spec.of) {
    case 'logits':
      return [null];
    case 'tap':
      return [spec.layer];
    case 'flow':
      return [spec.from, spec.to];
    default:
      return assertNever(spec, 'knowledge');
  }
}

function tensorOf(spec: OutputSpec, value: tf.Tensor, second: tf.Tensor | undefined): tf.Tensor {
  if (spec.of === 'flow') return flowOf(value, present(second, 'the second layer of a flow'));
  return spec.of === 'tap' && spec.reduce !== null ? reduce(value, spec.reduce) : value;
}

/** The number of the model's classes, K. */
export function classesOf(model: LayersModel): number {
  return present(model.outputs[0]?.shape[1], "the number of the model's classes");
}

/** The facts that the shapes of knowledge depend on. */
export interface ShapeSource {
  /** K. */
  readonly classes: number;
  /** The shape of a layer's output, without the batch. Throws `model.invalid` for a layer that is not there. */
  layer(name: string): readonly number[];
  /** The shape of an image, [H, W, C]. Throws `model.invalid` for a side that gives no gradient by its images. */
  image(): readonly number[];
}

/** The shapes of a model's knowledge. It can be used after the model is disposed. */
export function shapeSourceOf(model: LayersModel): ShapeSource {
  const image = present(model.inputs[0], 'the input of a model')
    .shape.slice(1)
    .map((axis) => present(axis, 'an axis of the images'));
  return { classes: classesOf(model), layer: layerShapes(model), image: () => image };
}

/** The shapes of a model whose logits alone are known, or of no model. Asking for a layer throws `model.invalid`. */
export function withoutLayers(classes: number): ShapeSource {
  return {
    classes,
    layer(name) {
      throw new StillhouseError('model.invalid', `the loss takes the layer "${name}" of a model that it must not take layers of`, {
        hint: 'A loss that takes layers of the other side needs a stage with a teacher, and pairs of taps in the recipe; the peers of a mutual stage give each other their logits only',
      });
    },
    image() {
      throw new StillhouseError('model.invalid', 'the loss takes the gradient by the images of a model that it must not take it of', {
        hint: 'Such a loss needs a stage with a teacher (in a mutual stage `from: teacher`); the peers of a mutual stage give each other their logits only',
      });
    },
  };
}

/** The shape of each spec's tensor, without the batch. Throws `model.invalid` where a layer is missing, or a reduction does not fit. */
export function shapesOf(specs: readonly SampleSpec[], source: ShapeSource): readonly (readonly number[])[];
/** The same with specs about a view as a whole, which may have an axis of the view's samples. */
export function shapesOf(specs: readonly KnowledgeSpec[], source: ShapeSource): readonly RowShape[];
/** The same: its body. */
export function shapesOf(specs: readonly KnowledgeSpec[], { classes, layer, image }: ShapeSource): readonly RowShape[] {
  return specs.map((spec) => {
    switch (spec.of) {
      case 'logits':
        return [classes];
      case 'input-gradient':
        return image();
      case 'tap': {
        const shape = layer(spec.layer);
        return spec.reduce === null ? shape : shapeOf(spec.reduce, shape);
      }
      case 'flow':
        return flowShape(layer(spec.from), layer(spec.to));
      case 'similarity':
        layer(spec.layer);
        return ['view'];
      default:
        return assertNever(spec, 'knowledge');
    }
  });
}
