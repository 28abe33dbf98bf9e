/**
 * The gradient of a model's cross-entropy by its images: the sensitivity map of each image. For a model that trains it is a tensor with a
 * gradient by the weights, though tfjs has no second derivative of every operation.
 *
 * With u the gradient that arrives at the map J(w) = dL/dx, L the cross-entropy summed over the batch, the gradient by the weights is
 * d(u . J)/dw = [dL/dw(x + r u) - dL/dw(x - r u)] / (2 r): two ordinary gradients. All images together move by a share of their length, so
 * that the distance suits a few small images and a batch of large ones, and none of them by much more than its own share. The kinks of the pass at x are held in both
 * (src/nn/held-kinks.ts), and the statistics of BatchNorms are put back after each pass, because the step's own pass moves them.
 * Axes: B batch, H height, W width, C channels, K classes.
 */

import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { present } from '../base/assert.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { labelLoss } from '../losses/label-loss.js';
import { HeldKinks } from '../nn/held-kinks.js';
import { leafLayers, weightsOf } from '../nn/weights.js';
import { holdForward, outsideOfTape } from './held-tape.js';

/**
 * The distance by which the images of a batch move together, over their length. Its error grows with the square of this, that of
 * rounding with its inverse: both are small here.
 */
const REACH = 0.0015;
/** The most that one image moves, over its length: where u lies on a few images of a batch, these would move by the share of all. */
const REACH_OF_ONE = 3 * REACH;
/** The least length of images that counts. */
const IMAGES_MIN = 1;
/** The least length of a gradient that has a direction. */
const LENGTH_MIN = 1e-30;
/** Layers that draw at random in each pass. */
const RANDOM_LAYERS = /Dropout|Noise/;

type Predict = (images_BHWC: tf.Tensor) => tf.Tensor;

/** The gradient by the images, [B, H, W, C], for the logits that `predict` gives. Must be called inside tf.tidy, under no tape. */
export function inputGradient(images_BHWC: tf.Tensor, class_B: tf.Tensor1D, predict: Predict): tf.Tensor {
  return tf.grad((images) => crossEntropy(predict(images), class_B))(images_BHWC);
}

function crossEntropy(logits: tf.Tensor, class_B: tf.Tensor1D): tf.Scalar {
  return labelLoss({ logits_BK: logits as tf.Tensor2D, labels: { class_B, mixed: null }, epsilon: 0 }).sum;
}

/** The map of a batch of a model that trains. */
export interface OpenInputGradient {
  /** The map, on the tape that is open: a gradient flows through it to the trained variables. */
  tensor(): tf.Tensor;
  dispose(): void;
}

/** The maps of one model in training mode. It holds nothing between two maps. */
export class TrainedInputGradient {
  readonly #model: LayersModel;
  readonly #trained: tf.Variable[];
  /** The variables that a pass in training mode moves. */
  readonly #statistics: readonly tf.Variable[];

  /** Throws `model.invalid` for a model that draws at random: the passes would not be of one function. */
  constructor(model: LayersModel, trained: readonly tf.Variable[]) {
    const random = leafLayers(model).find((layer) => RANDOM_LAYERS.test(layer.getClassName()));
    if (random !== undefined) throw randomLayer(random);
    this.#model = model;
    const own = weightsOf(model);
    this.#trained = trained.filter((variable) => own.includes(variable));
    this.#statistics = own.filter((variable) => !trained.includes(variable));
  }

  /**
   * Makes the map of a batch, under no tape. The images and the classes must stay until it is disposed, which the caller does. Throws
   * `model.invalid` for kinks that cannot be held.
   */
  open(images_BHWC: tf.Tensor, class_B: tf.Tensor1D): OpenInputGradient {
    const kinks = new HeldKinks();
    try {
      const map = tf.tidy(() => {
        const made = this.#unmoved(() => inputGradient(images_BHWC, class_B, (x) => kinks.watch(() => this.#predict(x))));
        // The pass has ended, so that nothing of it is left behind.
        kinks.check();
        return tf.keep(made);
      });
      const lossOf: Predict = (x) =>
        crossEntropy(
          kinks.hold(() => this.#predict(x)),
          class_B,
        );
      return {
        tensor: () => this.#withGradient(map, (towards) => this.#difference({ images_BHWC, towards, lossOf })),
        dispose() {
          kinks.dispose();
          map.dispose();
        },
      };
    } catch (error) {
      kinks.dispose();
      throw error;
    }
  }

  #withGradient(map: tf.Tensor, gradientsOf: (towards: tf.Tensor) => tf.Tensor[]): tf.Tensor {
    const operation = tf.customGrad(() => ({ value: tf.clone(map), gradFunc: (dy) => gradientsOf(dy) }));
    return operation(...this.#trained);
  }

  /** The gradient of towards . J by each trained variable. */
  #difference({ images_BHWC, towards, lossOf }: DifferenceOptions): tf.Tensor[] {
    return tf.tidy(() => {
      const length = tf.maximum(lengthOf(towards), LENGTH_MIN);
      const ofAll = tf.mul(tf.maximum(lengthOf(images_BHWC), IMAGES_MIN), REACH);
      const share_B = tf.div(lengthOfEach(towards), tf.maximum(lengthOfEach(images_BHWC), IMAGES_MIN));
      const ofOne = tf.div(tf.mul(length, REACH_OF_ONE), tf.maximum(tf.max(share_B), LENGTH_MIN));
      const reach = tf.minimum(ofAll, ofOne);
      const shift = tf.mul(towards, tf.div(reach, length));
      const [ahead, behind] = [tf.add(images_BHWC, shift), tf.sub(images_BHWC, shift)].map((images) =>
        this.#unmoved(() => outsideOfTape(() => this.#gradientsAt(images, lossOf))),
      );
      const scale = tf.div(length, tf.mul(reach, 2));
      return this.#trained.map(({ name, shape }) => {
        const [more, less] = [ahead?.[name], behind?.[name]];
        return more === undefined || less === undefined ? tf.zeros(shape) : tf.mul(tf.sub(more, less), scale);
      });
    });
  }

  #gradientsAt(images: tf.Tensor, lossOf: Predict): tf.NamedTensorMap {
    const held = holdForward(() => [lossOf(images)]);
    return held.gradients(() => present(held.outputs[0], 'the cross-entropy') as tf.Scalar, this.#trained).grads;
  }

  #predict(images: tf.Tensor): tf.Tensor {
    return this.#model.apply(images, { training: true }) as tf.Tensor;
  }

  /** Runs a pass, and gives the statistics that it has moved their values from before. */
  #unmoved<Result extends tf.TensorContainer>(run: () => Result): Result {
    return tf.tidy(() => {
      const before = this.#statistics.map((variable) => tf.clone(variable));
      try {
        return run();
      } finally {
        for (const [i, variable] of this.#statistics.entries()) variable.assign(present(before[i], 'a statistic'));
      }
    });
  }
}

interface DifferenceOptions {
  readonly images_BHWC: tf.Tensor;
  readonly towards: tf.Tensor;
  readonly lossOf: Predict;
}

/** The Euclidean length of each of the B images. */
function lengthOfEach(tensor_BHWC: tf.Tensor): tf.Tensor {
  return tf.sqrt(tf.sum(tf.square(tensor_BHWC), [1, 2, 3]));
}

/** The Euclidean length of all elements together. */
function lengthOf(tensor: tf.Tensor): tf.Tensor {
  return tf.sqrt(tf.sum(tf.square(tensor)));
}

function randomLayer(layer: LayersModel['layers'][number]): StillhouseError {
  const what = `the loss takes the gradient by the images of a model that draws at random, in its layer "${layer.name}" (${layer.getClassName()})`;
  return new StillhouseError('model.invalid', what, { hint: 'Leave that layer out of the student, or the loss gradient-attention' });
}
