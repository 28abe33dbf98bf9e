/** Operations of tfjs that models, losses and optimisers are made of, each with inputs to try it on. */

import * as tf from '@tensorflow/tfjs-core';
import { Prng } from '../../src/base/prng.js';
import type { FeedArray } from '../../src/trace/record.js';

/** A tensor to be made up: `positive` in (0.2, 2), `unit` in (-0.9, 0.9), `plain` in (-3, 3), `above` in (1.1, 4); int32 in [0, below). */
export type InputSpec =
  | { readonly shape: readonly number[]; readonly range: 'plain' | 'unit' | 'positive' | 'above' }
  | { readonly shape: readonly number[]; readonly below: number };

const RANGES = { plain: [-3, 3], unit: [-0.9, 0.9], positive: [0.2, 2], above: [1.1, 4] } as const;

/** Inputs as the specs ask for, a function of the seed. */
export function inputsOf(specs: readonly InputSpec[], seed: number): FeedArray[] {
  const random = new Prng(seed, 5);
  return specs.map((spec) => {
    const { shape } = spec;
    const length = shape.reduce((size, axis) => size * axis, 1);
    if ('below' in spec) return { shape, data: Int32Array.from({ length }, () => random.below(spec.below)) };
    const [from, to] = RANGES[spec.range];
    return { shape, data: Float32Array.from({ length }, () => from + (to - from) * random.uniform()) };
  });
}

export interface OperationCase {
  readonly name: string;
  readonly inputs: readonly InputSpec[];
  run(...inputs: tf.Tensor[]): tf.Tensor;
  /** Whether its gradient by its float inputs is tried as well. */
  readonly hasGradient: boolean;
}

const plain = (...shape: number[]): InputSpec => ({ shape, range: 'plain' });
const positive = (...shape: number[]): InputSpec => ({ shape, range: 'positive' });
const unit = (...shape: number[]): InputSpec => ({ shape, range: 'unit' });
const above = (...shape: number[]): InputSpec => ({ shape, range: 'above' });
const whole = (below: number, ...shape: number[]): InputSpec => ({ shape, below });

type Run = (...inputs: tf.Tensor[]) => tf.Tensor;

const smooth = (name: string, inputs: readonly InputSpec[], run: Run): OperationCase => ({ name, inputs, run, hasGradient: true });
const flat = (name: string, inputs: readonly InputSpec[], run: Run): OperationCase => ({ name, inputs, run, hasGradient: false });

/** tfjs's functions ask for tensors of one rank; here each is called with what it takes. */
const loose = tf as unknown as Readonly<Record<string, (...input: unknown[]) => tf.Tensor>>;
const call =
  (name: string, ...rest: unknown[]): Run =>
  (...inputs) =>
    (loose[name] as (...input: unknown[]) => tf.Tensor)(...inputs, ...rest);

const X = plain(3, 4);

const unary: readonly OperationCase[] = [
  ...['abs', 'neg', 'exp', 'expm1', 'square', 'relu', 'relu6', 'elu', 'selu', 'sigmoid', 'tanh', 'softplus', 'logSigmoid'].map((name) =>
    smooth(name, [X], call(name)),
  ),
  ...['sin', 'cos', 'tan', 'atan', 'sinh', 'cosh', 'asinh', 'erf'].map((name) => smooth(name, [X], call(name))),
  ...['log', 'log1p', 'sqrt', 'rsqrt', 'reciprocal'].map((name) => smooth(name, [positive(3, 4)], call(name))),
  ...['asin', 'acos', 'atanh'].map((name) => smooth(name, [unit(3, 4)], call(name))),
  smooth('acosh', [above(3, 4)], call('acosh')),
  smooth('leakyRelu', [X], call('leakyRelu', 0.1)),
  smooth('prelu', [X, positive(4)], call('prelu')),
  smooth('clipByValue', [X], call('clipByValue', -1, 1)),
  smooth('swish', [X], (x) => tf.mul(x, tf.sigmoid(x))),
  smooth('gelu', [X], (x) => tf.mul(tf.mul(x, 0.5), tf.add(1, tf.erf(tf.div(x, Math.SQRT2))))),
  ...['floor', 'ceil', 'round', 'sign', 'step'].map((name) => flat(name, [X], call(name))),
  ...['isFinite', 'isInf'].map((name) => flat(name, [whole(2, 9)], (n) => (loose[name] as Run)(tf.div(1, n)))),
  flat('isNaN', [X], (x) => tf.isNaN(tf.log(x))),
  ...['onesLike', 'zerosLike'].map((name) => flat(name, [X], (x) => tf.add(x, (loose[name] as Run)(x)))),
  flat('cast to int32', [X], call('cast', 'int32')),
  flat('cast to bool', [whole(2, 9)], call('cast', 'bool')),
  smooth('cast from int32', [whole(5, 6), plain(6)], (n, x) => tf.mul(tf.cast(n, 'float32'), x)),
];

const binary: readonly OperationCase[] = [
  ...['add', 'sub', 'mul', 'atan2'].map((name) => smooth(name, [X, plain(4)], call(name))),
  // With other shapes tfjs's own gradient of these fails.
  ...['maximum', 'minimum', 'squaredDifference'].map((name) => smooth(name, [X, X], call(name))),
  ...['div', 'floorDiv', 'mod'].map((name) => smooth(name, [X, positive(3, 1)], call(name))),
  flat('divNoNan', [X, whole(2, 3, 1)], call('divNoNan')),
  smooth('pow', [positive(3, 4), X], call('pow')),
  smooth('pow with a scalar', [positive(3, 4)], call('pow', 2.5)),
  smooth('mul by a scalar', [plain(3, 4), plain()], call('mul')),
  smooth('addN', [X, X, X], (...list) => tf.addN(list)),
  ...['equal', 'notEqual', 'greater', 'greaterEqual', 'less', 'lessEqual'].map((name) =>
    flat(name, [whole(3, 9), whole(3, 9)], call(name)),
  ),
  ...['logicalAnd', 'logicalOr', 'logicalXor'].map((name) =>
    flat(name, [whole(2, 9), whole(2, 9)], (a, b) => (loose[name] as Run)(tf.cast(a, 'bool'), tf.cast(b, 'bool'))),
  ),
  flat('logicalNot', [whole(2, 9)], (a) => tf.logicalNot(tf.cast(a, 'bool'))),
  smooth('where', [whole(2, 3, 4), X, X], (n, a, b) => tf.where(tf.equal(n, 0), a, b)),
];

const Y = plain(2, 3, 4);

const reductions: readonly OperationCase[] = [
  ...['sum', 'mean', 'max', 'min', 'logSumExp'].flatMap((name) => [
    smooth(`${name} over all`, [Y], call(name)),
    smooth(`${name} over one axis`, [Y], call(name, 1)),
    smooth(`${name} over two axes, kept`, [Y], call(name, [0, 2], true)),
  ]),
  smooth('prod', [Y], call('prod', 1)),
  smooth('norm', [Y], call('norm', 2, 1)),
  smooth('variance', [Y], (x) => tf.moments(x, [0, 1]).variance),
  flat('cumsum', [Y], call('cumsum', 1)),
  smooth('cumsum, exclusive and reversed', [Y], call('cumsum', 2, true, true)),
  flat('cumprod', [Y], call('cumprod', 1)),
  flat('argMax', [Y], call('argMax', 2)),
  flat('argMin', [Y], call('argMin', 0)),
  flat('any', [whole(2, 9, 2)], (x) => tf.any(tf.cast(x, 'bool'), 1)),
  flat('all', [whole(2, 9, 2)], (x) => tf.all(tf.cast(x, 'bool'), 1)),
  flat('topk', [Y], (x) => tf.topk(x, 2).values),
  flat('topk, indices', [Y], (x) => tf.topk(x, 2).indices),
];

const Z = plain(2, 6, 6, 3);
const fused = tf.fused;

const linear: readonly OperationCase[] = [
  ...[false, true].flatMap((a) =>
    [false, true].map((b) =>
      smooth(`matMul, transposed ${a} ${b}`, [a ? plain(4, 3) : plain(3, 4), b ? plain(5, 4) : plain(4, 5)], call('matMul', a, b)),
    ),
  ),
  smooth('matMul of batches', [plain(2, 3, 4), plain(2, 4, 5)], call('matMul')),
  smooth('dot', [plain(4), plain(4, 3)], call('dot')),
  flat('einsum', [plain(2, 3), plain(3, 4)], (a, b) => tf.einsum('ij,jk->ik', a, b)),
  smooth('fused matMul', [plain(3, 4), plain(4, 5), plain(5)], (a, b, bias) =>
    fused.matMul({ a: a, b: b, bias: bias, activation: 'relu' }),
  ),
  ...(['same', 'valid'] as const).flatMap((pad) =>
    [1, 2].flatMap((stride) => [
      smooth(`conv2d ${pad}, stride ${stride}`, [Z, plain(3, 3, 3, 4)], call('conv2d', stride, pad)),
      smooth(`depthwiseConv2d ${pad}, stride ${stride}`, [Z, plain(3, 3, 3, 2)], call('depthwiseConv2d', stride, pad)),
      smooth(`avgPool ${pad}, stride ${stride}`, [Z], call('avgPool', 2, stride, pad)),
      smooth(`maxPool ${pad}, stride ${stride}`, [Z], call('maxPool', 3, stride, pad)),
    ]),
  ),
  smooth('conv2d 1x1', [Z, plain(1, 1, 3, 4)], call('conv2d', 1, 'same')),
  smooth('conv2d, two strides', [Z, plain(3, 2, 3, 4)], call('conv2d', [2, 1], 'same')),
  flat('conv2d, dilated', [Z, plain(3, 3, 3, 4)], call('conv2d', 1, 'same', 'NHWC', 2)),
  smooth('conv2dTranspose', [plain(2, 3, 3, 4), plain(3, 3, 2, 4)], call('conv2dTranspose', [2, 6, 6, 2], 2, 'same')),
  smooth('conv1d', [plain(2, 8, 3), plain(3, 3, 4)], call('conv1d', 1, 'same')),
  smooth('separableConv2d', [Z, plain(3, 3, 3, 2), plain(1, 1, 6, 4)], call('separableConv2d', 1, 'same')),
  smooth('conv3d', [plain(1, 4, 4, 4, 2), plain(2, 2, 2, 2, 3)], call('conv3d', 1, 'same')),
  smooth('fused conv2d', [Z, plain(3, 3, 3, 4), plain(4)], (x, filter, bias) =>
    fused.conv2d({
      x: x as tf.Tensor4D,
      filter: filter as tf.Tensor4D,
      bias: bias as tf.Tensor1D,
      strides: 1,
      pad: 'same',
      activation: 'relu',
    }),
  ),
  smooth('resizeBilinear', [Z], (x) => tf.image.resizeBilinear(x as tf.Tensor4D, [9, 4])),
  smooth('resizeNearestNeighbor', [Z], (x) => tf.image.resizeNearestNeighbor(x as tf.Tensor4D, [12, 12])),
];

const shapes: readonly OperationCase[] = [
  smooth('reshape', [Y], call('reshape', [4, 6])),
  smooth('transpose', [Y], call('transpose', [2, 0, 1])),
  smooth('concat', [Y, plain(2, 5, 4)], (a, b) => tf.concat([a, b], 1)),
  smooth('stack', [X, X], (a, b) => tf.stack([a, b], 1)),
  smooth('unstack', [Y], (x) => tf.unstack(x, 1)[2] as tf.Tensor),
  smooth('split', [Y], (x) => tf.split(x, [1, 3], 2)[1] as tf.Tensor),
  smooth('slice', [Y], call('slice', [0, 1, 1], [2, 2, 2])),
  smooth('pad', [Y], (x) =>
    tf.pad(
      x,
      [
        [0, 0],
        [1, 2],
        [0, 1],
      ],
      0.5,
    ),
  ),
  smooth('mirrorPad', [Y], (x) =>
    tf.mirrorPad(
      x,
      [
        [0, 0],
        [1, 1],
        [0, 2],
      ],
      'reflect',
    ),
  ),
  smooth('tile', [Y], call('tile', [1, 2, 3])),
  smooth('expandDims', [X], call('expandDims', 1)),
  smooth('squeeze', [plain(3, 1, 4)], call('squeeze', [1])),
  smooth('reverse', [Y], call('reverse', 1)),
  smooth('broadcastTo', [plain(3, 1)], call('broadcastTo', [2, 3, 4])),
  flat('stridedSlice', [Y], call('stridedSlice', [0, 0, 0], [2, 3, 4], [1, 2, 2])),
  smooth('gather at fixed places', [X], (x) => tf.gather(x, tf.tensor1d([2, 0, 2], 'int32'), 0)),
  smooth('gather at places that come in', [X, whole(3, 5)], (x, places) => tf.gather(x, places)),
  flat('gather in batches', [Y, whole(4, 2, 3, 2)], (x, places) => tf.gather(x, places, 2, 2)),
  flat('gatherND at fixed places', [X], (x) =>
    tf.gatherND(
      x,
      tf.tensor2d(
        [
          [0, 1],
          [2, 3],
        ],
        [2, 2],
        'int32',
      ),
    ),
  ),
  flat('oneHot', [whole(5, 6)], (labels) => tf.oneHot(labels as tf.Tensor1D, 5)),
  flat('oneHot with values', [whole(5, 6)], (labels) => tf.oneHot(labels as tf.Tensor1D, 5, 0.9, 0.02, 'float32')),
  smooth('unsortedSegmentSum', [plain(6, 4), whole(3, 6)], (x, segments) => tf.unsortedSegmentSum(x, segments as tf.Tensor1D, 3)),
  smooth('batchToSpaceND', [plain(4, 2, 2, 3)], (x) =>
    tf.batchToSpaceND(
      x,
      [2, 2],
      [
        [0, 0],
        [0, 0],
      ],
    ),
  ),
  smooth('spaceToBatchND', [plain(1, 4, 4, 3)], (x) =>
    tf.spaceToBatchND(
      x,
      [2, 2],
      [
        [0, 0],
        [0, 0],
      ],
    ),
  ),
  flat('depthToSpace', [plain(1, 2, 2, 8)], (x) => tf.depthToSpace(x as tf.Tensor4D, 2)),
  flat('scatterND', [whole(5, 3, 1), plain(3)], (indices, updates) => tf.scatterND(indices, updates, [5])),
  flat('diag', [plain(4)], call('diag')),
];

const norms: readonly OperationCase[] = [
  smooth('softmax', [X], call('softmax')),
  smooth('logSoftmax', [X], call('logSoftmax')),
  smooth('log of softmax', [X], (x) => tf.log(tf.softmax(x))),
  smooth('softmaxCrossEntropy', [positive(3, 4), X], (labels, logits) => tf.losses.softmaxCrossEntropy(labels, logits)),
  smooth('sigmoidCrossEntropy', [unit(3, 4), X], (labels, logits) => tf.losses.sigmoidCrossEntropy(labels, logits)),
  smooth('huberLoss', [X, X], (labels, logits) => tf.losses.huberLoss(labels, logits)),
  smooth('cosineDistance', [X, X], (labels, logits) => tf.losses.cosineDistance(labels, logits, 1)),
  smooth('batchNorm', [Z, plain(3), positive(3), plain(3), positive(3)], (x, mean, variance, offset, scale) =>
    tf.batchNorm(x, mean as tf.Tensor1D, variance as tf.Tensor1D, offset as tf.Tensor1D, scale as tf.Tensor1D, 1e-3),
  ),
  smooth('LayerNormalization', [Y, plain(4), positive(4)], (x, offset, scale) => {
    const { mean, variance } = tf.moments(x, -1, true);
    return tf.add(tf.mul(tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-3))), scale), offset);
  }),
  smooth('localResponseNormalization', [Z], call('localResponseNormalization', 2)),
  smooth('our own gradient', [X], (x) =>
    tf.customGrad((input) => ({ value: tf.square(input as tf.Tensor), gradFunc: (dy) => tf.mul(dy as tf.Tensor, 3) }))(x),
  ),
];

export const OPERATION_CASES: readonly OperationCase[] = [...unary, ...binary, ...reductions, ...linear, ...shapes, ...norms];
