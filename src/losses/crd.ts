/**
 * Contrastive representation distillation (Tian et al., arXiv 1910.10699): the student's embedding of a sample is to be told apart from the
 * teacher's embeddings of K other samples, as the teacher's own is, and the other way round. The embeddings, v of the student and t of the
 * teacher, are a trained linear layer each, and have length 1. A memory has a row m of each sample for either side.
 * For each pair of taps, times its weight, summed over the samples i and the two directions (v with the teacher's rows, t with the student's):
 *   -log D(i, i) - sum over the K drawn samples j of log(1 - D(i, j)),  D = P / (P + K / N),  P(i, j) = exp(v_i . m_j / T) / Z.
 * Z of a direction is N times the mean of exp(v . m / T) over the first batch, the sample itself and all its draws, and stays as it is then.
 * After the step the rows of the batch become unit(`momentum` m + (1 - `momentum`) v). No gradient flows into rows and Z.
 * The authors' program divides by P + K / N + 1e-7; the 1e-7 is left out.
 *
 * D is the sigmoid of u = v . m / T - log(Z K / N), so that the loss is softplus(-u) and softplus(u), finite for all embeddings.
 * All scores of a batch come of one product with the whole memory, [B, N], from which those that are drawn are picked. To gather the rows
 * would take B K E numbers, 537 MB for the paper's. Memory here: two tensors [B, N] and a few [B, D].
 * Axes: B batch, D = K drawn samples, N samples of the split, E elements of an embedding.
 */

import * as tf from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import { CRD_SIDES, type CrdSide, crdNames } from './crd-declaration.js';
import type { LossMethod, SampleTensors, TermInputs, TermMemory } from './loss-method.js';
import { directionsOf } from './relation.js';
import { constant } from './softmax-gradient.js';

/** Below this, an embedding is 0 and has no direction. */
const SCALE_MIN = 1e-30;

export const crd: LossMethod = {
  sum(inputs) {
    const { settings, labels, student } = inputs;
    const memory = present(inputs.memory, 'the memory of crd');
    const kept: [string, tf.Tensor][] = [];
    const sums = student.map((_, pair) => {
      const sides = CRD_SIDES.map((side) => sideOf(inputs, memory, { pair, side }));
      const directions = sides.map((own, i) => contrast(own, present(sides[1 - i], 'the other side'), { memory, settings }));
      sides.forEach(({ names, row_BE, embedding_BE }, i) => {
        kept.push([names.rows, nextRows(row_BE, embedding_BE, settings.constants.momentum ?? 0)]);
        kept.push([names.z, present(directions[i], 'a direction').z]);
      });
      return tf.mul(tf.addN(directions.map(({ sum }) => sum)), present(settings.weights[pair], 'the weight of a pair'));
    });
    return { sum: tf.addN(sums) as tf.Scalar, count: labels.class_B.shape[0], memory: Object.fromEntries(kept) };
  },
};

interface Side {
  readonly names: ReturnType<typeof crdNames>;
  readonly embedding_BE: tf.Tensor2D;
  readonly rows_NE: tf.Tensor2D;
  /** The rows of the batch's own samples. */
  readonly row_BE: tf.Tensor2D;
  /** 0 until it is fixed. */
  readonly z: tf.Scalar;
}

function sideOf(
  { student, other, adapters }: Pick<TermInputs, 'student' | 'other' | 'adapters'>,
  { tensors, samples }: TermMemory,
  { pair, side }: { readonly pair: number; readonly side: CrdSide },
): Side {
  const names = crdNames(pair, side);
  const features = present((side === 'student' ? student : other)[pair], 'the features of a pair') as tf.Tensor2D;
  const kernel = present(adapters[names.kernel], names.kernel) as tf.Tensor2D;
  const rows_NE = present(tensors[names.rows], names.rows) as tf.Tensor2D;
  return {
    names,
    embedding_BE: unit(tf.add(tf.matMul(features, kernel), present(adapters[names.bias], names.bias))),
    rows_NE,
    row_BE: tf.gather(rows_NE, samples.id_B),
    z: present(tensors[names.z], names.z) as tf.Scalar,
  };
}

/** The rows with length 1, whatever their size: a row without its own scale has the same direction, and the same gradient. */
function unit(rows: tf.Tensor): tf.Tensor2D {
  const scale = constant(tf.maximum(tf.max(tf.abs(rows), -1, true), SCALE_MIN));
  return directionsOf(tf.div(rows, scale)).unit as tf.Tensor2D;
}

interface ContrastOptions extends Pick<TermInputs, 'settings'> {
  readonly memory: Pick<TermMemory, 'samples'>;
}

interface Direction {
  /** Over the samples of the batch. */
  readonly sum: tf.Tensor;
  /** Z, once it is fixed. */
  readonly z: tf.Tensor;
}

/** The embeddings of one side against the rows of the other. */
function contrast(own: Side, other: Side, { memory: { samples }, settings }: ContrastOptions): Direction {
  const [size, draws] = samples.drawn_BD.shape;
  const count = other.rows_NE.shape[0];
  const scale = 1 / (settings.constants.temperature ?? 1);
  const same_B = tf.mul(tf.sum(tf.mul(own.embedding_BE, other.row_BE), 1), scale);
  const drawn_BD = tf.mul(pick(tf.matMul(own.embedding_BE, other.rows_NE, false, true), samples), scale);
  const total = constant(tf.add(tf.sum(tf.exp(constant(same_B))), tf.sum(tf.exp(constant(drawn_BD)))));
  const z = tf.where(tf.greater(own.z, 0), own.z, tf.mul(total, count / (size * (draws + 1))));
  const shift = tf.log(tf.mul(z, draws / count));
  return { sum: tf.add(softplusSum(tf.sub(shift, same_B)), softplusSum(tf.sub(drawn_BD, shift))), z };
}

/**
 * The scores of the drawn samples, [B, D], of all scores, [B, N]. Its gradient is put back to their places; none is drawn twice for a sample. tfjs's own,
 * of gather, takes a pass over the entries for each of the B N places on some engines.
 */
function pick(score_BN: tf.Tensor2D, { drawn_BD }: SampleTensors): tf.Tensor2D {
  const [size, count] = score_BN.shape;
  const operation = tf.customGrad((...inputs) => {
    const [score, save] = inputs as [tf.Tensor2D, (tensors: tf.Tensor[]) => void];
    const place_BD = tf.add(drawn_BD, tf.reshape(tf.range(0, size * count, count, 'int32'), [size, 1])) as tf.Tensor2D;
    save([place_BD]);
    return {
      value: tf.gather(tf.reshape(score, [-1]), place_BD),
      gradFunc(dy, saved) {
        const places = tf.reshape(present((saved as tf.Tensor[])[0], 'the places'), [-1, 1]);
        return tf.reshape(tf.scatterND(places, tf.reshape(dy as tf.Tensor, [-1]), [size * count]), [size, count]);
      },
    };
  });
  return operation(score_BN) as tf.Tensor2D;
}

/** The sum of log(1 + exp(x)). Most of a loss of contrast is the sum of many small ones, which keep their digits here. */
function softplusSum(values: tf.Tensor): tf.Tensor {
  const operation = tf.customGrad((...inputs) => {
    const [x, save] = inputs as [tf.Tensor, (tensors: tf.Tensor[]) => void];
    save([tf.sigmoid(x)]);
    return {
      value: tf.sum(tf.add(tf.relu(x), tf.log1p(tf.exp(tf.neg(tf.abs(x)))))),
      gradFunc: (dy, saved) => tf.mul(present((saved as tf.Tensor[])[0], 'the gradient'), dy as tf.Tensor),
    };
  });
  return operation(values);
}

/** The rows of the batch after the step. */
function nextRows(row_BE: tf.Tensor2D, embedding_BE: tf.Tensor2D, momentum: number): tf.Tensor {
  return unit(tf.add(tf.mul(row_BE, momentum), tf.mul(constant(embedding_BE), 1 - momentum)));
}
