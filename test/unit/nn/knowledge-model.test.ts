import * as tf from '@tensorflow/tfjs-core';
import { type LayersModel, model as makeModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import { openEngine } from '../../../src/engines/catalogue.js';
import { flowOf } from '../../../src/nn/flow.js';
import { knowledgeModel, shapeSourceOf, shapesOf, withoutLayers } from '../../../src/nn/knowledge-model.js';
import { reduce } from '../../../src/nn/reduction/catalogue.js';
import { disposeModel } from '../../../src/nn/weights.js';
import { LOGITS_SPEC, type OutputSpec, type ReductionSpec, viewShape } from '../../../src/tensor/knowledge.js';
import { normModel } from '../../support/training.js';

const SHAPE = [6, 6, 3] as const;
const ATTENTION = { name: 'attention', options: { p: 2, height: 3, width: 3 } };
const tap = (layer: string, reduce: ReductionSpec | null = null): OutputSpec => ({ of: 'tap', layer, reduce });

const flow = (from: string, to: string): OutputSpec => ({ of: 'flow', from, to });

/** The layer's output of the images, by a model of its own. */
function direct(source: LayersModel, layer: string, images: tf.Tensor, training = false): tf.Tensor {
  const outputs = source.getLayer(layer).output as SymbolicTensor;
  return makeModel({ inputs: source.inputs, outputs }).apply(images, { training }) as tf.Tensor;
}

function someImages(): tf.Tensor4D {
  const random = new Prng(3);
  return tf.tensor4d(
    Float32Array.from({ length: 4 * 108 }, () => random.normal()),
    [4, ...SHAPE],
  );
}

beforeAll(() => openEngine('cpu'));

describe('the knowledge of a model', () => {
  test.each([false, true])('has a tensor for each spec, in their order; training: %s', (training) => {
    const source = normModel(SHAPE, 5, 1);
    const specs = [tap('relu', ATTENTION), LOGITS_SPEC, flow('conv', 'relu'), tap('conv'), tap('norm'), tap('relu')];
    const knowledge = knowledgeModel(source, specs);
    tf.tidy(() => {
      const images = someImages();
      const found = knowledge.run(images, { training });
      const relu = direct(source, 'relu', images, training);
      const expected = [
        reduce(relu, ATTENTION),
        source.apply(images, { training }) as tf.Tensor,
        flowOf(direct(source, 'conv', images), relu),
        direct(source, 'conv', images),
        direct(source, 'norm', images, training),
        relu,
      ];
      expect(found.map(({ shape }) => shape.slice(1))).toEqual(shapesOf(specs, shapeSourceOf(source)));
      for (const [i, tensor] of expected.entries()) expect(found[i]?.dataSync()).toEqual(tensor.dataSync());
    });
    disposeModel(source);
  });

  test('of logits alone is the model itself', () => {
    const source = normModel(SHAPE, 5, 1);
    expect(knowledgeModel(source, [LOGITS_SPEC]).model).toBe(source);
    disposeModel(source);
  });

  test('two specs of one output run it once', () => {
    const source = normModel(SHAPE, 5, 1);
    const { model, run } = knowledgeModel(source, [LOGITS_SPEC, tap('logits'), tap('relu'), tap('relu', ATTENTION)]);
    expect(model.outputs).toHaveLength(2);
    tf.tidy(() => {
      const [logits, tapped] = run(someImages(), { training: false });
      expect(tapped?.dataSync()).toEqual(logits?.dataSync());
    });
    disposeModel(source);
  });

  test.each([
    [flow('conv', 'rely'), 'the model has no layer "rely"; did you mean "relu"?'],
    [flow('logits', 'conv'), 'a flow goes between maps of height, width and channels, and this layer puts out [5]'],
    [tap('rely'), 'the model has no layer "rely"; did you mean "relu"?'],
    [tap('relu', { ...ATTENTION, name: 'atention' }), 'there is no reduction "atention"; did you mean "attention"?'],
    [tap('logits', ATTENTION), 'it takes maps of height, width and channels, and this layer puts out [5]'],
  ])('%j cannot be had, and it is said why before anything runs', (spec, message) => {
    const source = normModel(SHAPE, 5, 1);
    expect(() => knowledgeModel(source, [LOGITS_SPEC, spec])).toThrow(message);
    expect(() => shapesOf([spec], shapeSourceOf(source))).toThrow(message);
    disposeModel(source);
  });

  test('the similarities by a layer have a row for each sample of the view, and as many columns', () => {
    const source = normModel(SHAPE, 5, 1);
    const shapes = shapesOf([{ of: 'similarity', layer: 'relu' }, tap('logits')], shapeSourceOf(source));
    expect(shapes).toEqual([['view'], [5]]);
    expect(shapes.map((shape) => viewShape(shape, 3))).toEqual([
      [3, 3],
      [3, 5],
    ]);
    expect(() => shapesOf([{ of: 'similarity', layer: 'rely' }], shapeSourceOf(source))).toThrow('the model has no layer "rely"');
    disposeModel(source);
  });

  test('a model of which no layers are known has its logits alone', () => {
    expect(shapesOf([LOGITS_SPEC], withoutLayers(7))).toEqual([[7]]);
    expect(() => shapesOf([tap('relu')], withoutLayers(7))).toThrow(
      'the loss takes the layer "relu" of a model that it must not take layers of',
    );
  });
});
