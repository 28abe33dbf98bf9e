/**
 * BatchNorm in training mode, the same on every engine. Stock tfjs updates the running variance with the biased variance
 * of the batch, except where an engine has a fused kernel, which gives the unbiased one. Here PyTorch's rule holds: the
 * batch is normalised by its biased variance, and the running variance takes the unbiased one, n / (n - 1) times as large.
 *
 * While a training program holds the model, the `call` of each BatchNormalization is replaced on the layer itself.
 * Its class stays the stock one, so a saved model is not affected. Inference uses the stock `call`.
 * Axes: N batch and all pixels, C channels (last).
 */

import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { present } from '../base/assert.js';
import { leafLayers } from './weights.js';

type Layer = LayersModel['layers'][number];

/** Makes the model's BatchNorms train by this rule, until the returned function is called; the frozen ones normalise as in inference. */
export function overrideBatchNorms(model: LayersModel, frozen: ReadonlySet<Layer> = new Set()): () => void {
  const layers = leafLayers(model).filter((layer) => layer.getClassName() === 'BatchNormalization');
  const restore = layers.map((layer) => (frozen.has(layer) ? freezeLayer(layer) : overrideLayer(layer)));
  return () => {
    for (const undo of restore) undo();
  };
}

function freezeLayer(layer: Layer): () => void {
  const stock = layer.call;
  layer.call = (inputs, kwargs) => stock.call(layer, inputs, { ...kwargs, training: false });
  return () => {
    layer.call = stock;
  };
}

function overrideLayer(layer: Layer): () => void {
  const stock = layer.call;
  const { epsilon, momentum } = layer.getConfig() as { epsilon: number; momentum: number };
  const find = (name: string) => layer.weights.find((weight) => weight.originalName.endsWith(`/${name}`));
  const mean = present(find('moving_mean'), 'moving mean');
  const variance = present(find('moving_variance'), 'moving variance');
  layer.call = (inputs, kwargs) => {
    if (kwargs.training !== true) return stock.call(layer, inputs, kwargs);
    return tf.tidy(() => {
      const x = (Array.isArray(inputs) ? inputs[0] : inputs) as tf.Tensor;
      const channels = x.shape[x.rank - 1] as number;
      const trained = trainBatchNorm(x, {
        scale_C: (find('gamma')?.read() ?? tf.ones([channels])) as tf.Tensor1D,
        shift_C: (find('beta')?.read() ?? tf.zeros([channels])) as tf.Tensor1D,
        runningMean_C: mean.read() as tf.Tensor1D,
        runningVariance_C: variance.read() as tf.Tensor1D,
        epsilon,
        share: 1 - momentum,
      });
      mean.write(trained.runningMean_C);
      variance.write(trained.runningVariance_C);
      return trained.normalised;
    });
  };
  return () => {
    layer.call = stock;
  };
}

/**
 * The kernel by which an engine does all of `trainBatchNorm` at once. Inputs: x [N, H, W, C], scale, offset, mean and
 * variance [C]. Attributes: epsilon and share. Outputs: y, the new running mean and variance, then the tensors that its gradient needs.
 */
export const BATCH_NORM_TRAINING = 'BatchNormTraining';

interface TrainingOptions extends NormaliseOptions {
  readonly runningMean_C: tf.Tensor1D;
  readonly runningVariance_C: tf.Tensor1D;
  /** The share of the difference to the batch's statistics by which the running statistics move. */
  readonly share: number;
}

interface TrainedNorm {
  readonly normalised: tf.Tensor;
  readonly runningMean_C: tf.Tensor;
  readonly runningVariance_C: tf.Tensor;
}

/** Normalises the batch and updates the statistics. Must be called inside tf.tidy. */
function trainBatchNorm(x: tf.Tensor, options: TrainingOptions): TrainedNorm {
  if (tf.getKernel(BATCH_NORM_TRAINING, tf.getBackend()) !== undefined) return runTrainingKernel(x, options);
  const batch = normaliseBatch(x, options);
  const { runningMean_C, runningVariance_C, share } = options;
  const moved = {
    normalised: batch.normalised,
    runningMean_C: moveTowards(runningMean_C, batch.mean_C, share),
    runningVariance_C: moveTowards(runningVariance_C, batch.unbiasedVariance_C, share),
  };
  tf.dispose([batch.mean_C, batch.unbiasedVariance_C]);
  return moved;
}

function runTrainingKernel(x: tf.Tensor, options: TrainingOptions): TrainedNorm {
  const { scale_C: scale, shift_C: offset, runningMean_C: mean, runningVariance_C: variance, epsilon, share } = options;
  const [batch = 1] = x.shape;
  const images = x.rank === 4 ? x : tf.reshape(x, [batch, -1, 1, scale.size]);
  const inputs = { x: images, scale, offset, mean, variance };
  const [y, newMean, newVariance] = tf.engine().runKernel<tf.Tensor[]>(BATCH_NORM_TRAINING, inputs, { epsilon, share });
  return {
    normalised: images === x ? present(y, 'the normalised batch') : tf.reshape(present(y, 'the normalised batch'), x.shape),
    runningMean_C: present(newMean, 'mean'),
    runningVariance_C: present(newVariance, 'variance'),
  };
}

function moveTowards(running: tf.Tensor, value: tf.Tensor, share: number): tf.Tensor {
  return tf.add(running, tf.mul(tf.sub(value, running), share));
}

export interface NormaliseOptions {
  readonly scale_C: tf.Tensor1D;
  readonly shift_C: tf.Tensor1D;
  readonly epsilon: number;
}

export interface NormalisedBatch {
  /** Has the input's shape; gradients flow back to the input, the scale and the shift. */
  readonly normalised: tf.Tensor;
  /** The statistics are constants to the gradient. */
  readonly mean_C: tf.Tensor1D;
  readonly unbiasedVariance_C: tf.Tensor1D;
}

/**
 * (x - mean) / sqrt(variance + epsilon) * scale + shift over all axes but the last (Ioffe & Szegedy, arXiv 1502.03167),
 * with the gradient written out: the tape's own way back would take some twenty passes over the batch.
 * The caller disposes the results; tf.tidy does not dispose the two statistics.
 */
export function normaliseBatch(x: tf.Tensor, { scale_C, shift_C, epsilon }: NormaliseOptions): NormalisedBatch {
  const channels = scale_C.shape[0];
  const count = x.size / channels;
  let mean_C!: tf.Tensor1D;
  let unbiasedVariance_C!: tf.Tensor1D;
  const operation = tf.customGrad((...inputs) => {
    const [input, scale, shift, save] = inputs as [tf.Tensor, tf.Tensor1D, tf.Tensor1D, (tensors: tf.Tensor[]) => void];
    mean_C = meanOverN(input);
    const centred = tf.sub(input, mean_C);
    const variance_C = meanOverN(tf.square(centred));
    unbiasedVariance_C = tf.mul(variance_C, count / Math.max(count - 1, 1));
    const inverse_C = tf.rsqrt(tf.add(variance_C, epsilon)) as tf.Tensor1D;
    // Neither is an output of the operation, so tfjs would dispose them when it ends: they are kept.
    tf.keep(mean_C);
    tf.keep(unbiasedVariance_C);
    save([centred, scale, inverse_C]);
    const value = tf.add(tf.mul(centred, tf.mul(scale, inverse_C)), shift);
    return { value, gradFunc: (dy, saved) => gradients(dy as tf.Tensor, saved as [tf.Tensor, tf.Tensor1D, tf.Tensor1D]) };
  });
  const normalised = operation(x, scale_C, shift_C);
  return { normalised, mean_C, unbiasedVariance_C };
}

/** The gradients by x, scale and shift. With hat = centred * inverse: dx = scale inverse (dy - mean(dy) - hat mean(dy hat)). */
function gradients(dy: tf.Tensor, [centred, scale_C, inverse_C]: [tf.Tensor, tf.Tensor1D, tf.Tensor1D]): tf.Tensor[] {
  const count = dy.size / scale_C.size;
  const meanDy_C = meanOverN(dy);
  const meanDyHat_C = tf.mul(meanOverN(tf.mul(dy, centred)), inverse_C);
  const inner = tf.sub(tf.sub(dy, meanDy_C), tf.mul(centred, tf.mul(meanDyHat_C, inverse_C)));
  return [tf.mul(inner, tf.mul(scale_C, inverse_C)), tf.mul(meanDyHat_C, count), tf.mul(meanDy_C, count)];
}

/**
 * [C] from [..., C]. It pools, which every engine does in one pass, where a reduction over several axes may transpose
 * first. It pools over the pixels and then over the batch: two short sums round less than one long one.
 */
function meanOverN(x: tf.Tensor): tf.Tensor1D {
  const [batch = 1] = x.shape;
  const channels = x.shape[x.rank - 1] as number;
  const pixels = x.size / batch / channels;
  const perSample = tf.avgPool(tf.reshape(x, [batch, pixels, 1, channels]) as tf.Tensor4D, [pixels, 1], 1, 'valid');
  const overall = tf.avgPool(tf.reshape(perSample, [1, batch, 1, channels]) as tf.Tensor4D, [batch, 1], 1, 'valid');
  return tf.reshape(overall, [channels]);
}
