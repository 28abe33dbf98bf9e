/**
 * Holds the kinks of a model: the signs of its ReLUs and the choices of its max poolings stay those of one pass, while the same model
 * runs on other images near by. Between kinks a network is smooth, so a difference of two such passes is a derivative; a crossed kink
 * would add a jump over the distance. An operation that is linear between its kinks becomes slope * x + offset, with the slope and the
 * offset of the pass that was watched.
 *
 * It stands between tfjs and its kernels while a pass runs, and always steps back. Invariant: the held passes run the operations
 * of the watched pass, in its order.
 */

import * as tf from '@tensorflow/tfjs-core';
import { assert, present } from '../base/assert.js';
import { StillhouseError } from '../errors/stillhouse-error.js';

/** An operation with its kinks held, as a function of its input. */
interface Held {
  readonly kernel: string;
  apply(x: tf.Tensor): tf.Tensor;
  /** Its tensors. They are kept until `dispose`. */
  readonly tensors: readonly tf.Tensor[];
}

/** A call of a kernel, with its answer. */
interface KernelCall {
  readonly kernel: string;
  readonly x: tf.Tensor;
  readonly y: tf.Tensor;
  readonly attrs: Readonly<Record<string, unknown>>;
}

/** The slope at each element of x of an operation that is linear between its kinks. */
const SLOPES: Readonly<Record<string, (call: KernelCall) => tf.Tensor>> = {
  [tf.Relu]: ({ y }) => between(y, 0, Number.POSITIVE_INFINITY),
  [tf.Relu6]: ({ x }) => between(x, 0, 6),
  [tf.ClipByValue]: ({ x, attrs }) => between(x, attrs.clipValueMin as number, attrs.clipValueMax as number),
  [tf.LeakyRelu]: ({ x, attrs }) => {
    const positive = between(x, 0, Number.POSITIVE_INFINITY);
    return tf.add(positive, tf.mul(tf.sub(1, positive), attrs.alpha as number));
  },
};

/** Operations whose kinks are not held here. */
const UNHELD: ReadonlySet<string> = new Set([tf.Prelu, tf.Selu, tf.Abs, tf.Max, tf.Min, tf.Maximum, tf.Minimum, tf.MaxPool3D]);

export class HeldKinks {
  readonly #held: Held[] = [];
  #unheld: string | null = null;

  /** Runs a pass as it is, and remembers its kinks. */
  watch<Result>(run: () => Result): Result {
    return withKernels(run, (call, inputs) => {
      const { kernel, attrs } = call;
      const y = call.run();
      if (UNHELD.has(kernel)) this.#unheld ??= kernel;
      if (SLOPES[kernel] === undefined && kernel !== tf.MaxPool) return y;
      const x = present(inputs.x, 'the input of an activation');
      const hold = kernel === tf.MaxPool ? holdPooling : holdSlope;
      this.#held.push(hold({ kernel, x, y: y as tf.Tensor, attrs }));
      return y;
    });
  }

  /** Throws `model.invalid` where the watched pass had an operation whose kinks cannot be held. */
  check(): void {
    if (this.#unheld !== null) throw unheld(this.#unheld);
  }

  /** Runs the same pass on other images, with the kinks of the watched pass. */
  hold<Result>(run: () => Result): Result {
    let next = 0;
    return withKernels(run, ({ kernel, run: asItIs }, inputs) => {
      if (SLOPES[kernel] === undefined && kernel !== tf.MaxPool) return asItIs();
      const held = this.#held[next++];
      assert(held?.kernel === kernel, `the held pass runs ${kernel} where the watched one ran ${held?.kernel}`);
      return held.apply(present(inputs.x, 'the input of an activation'));
    });
  }

  dispose(): void {
    for (const { tensors } of this.#held.splice(0)) tf.dispose([...tensors]);
  }
}

function holdSlope(call: KernelCall): Held {
  const [slope, offset] = tf.tidy(() => {
    const slopes = present(SLOPES[call.kernel], call.kernel)(call);
    return [tf.keep(slopes), tf.keep(tf.sub(call.y, tf.mul(call.x, slopes)))];
  }) as [tf.Tensor, tf.Tensor];
  return { kernel: call.kernel, apply: (x) => tf.add(tf.mul(x, slope), offset), tensors: [slope, offset] };
}

/**
 * Max pooling as a choice: for each output the place of the window that had the largest value, the first of several. A depthwise
 * convolution lays the windows out, so the choice has a gradient on every engine.
 */
function holdPooling({ kernel, x, y, attrs }: KernelCall): Held {
  const { strides, pad, dimRoundingMode } = attrs as unknown as PoolingAttributes;
  const [height, width] = pairOf((attrs as unknown as PoolingAttributes).filterSize);
  const places = height * width;
  const channels = x.shape[3] as number;
  const [filter, choice] = tf.tidy(() => {
    const one = tf.reshape(tf.eye(places), [height, width, 1, places]);
    const lay = tf.tile(one, [1, 1, channels, 1]) as tf.Tensor4D;
    const windowsOf = (input: tf.Tensor) =>
      tf.reshape(tf.depthwiseConv2d(input as tf.Tensor4D, lay, strides, pad, 'NHWC', 1, dimRoundingMode), [-1, places]);
    // A place outside of the image reads 0, which may be the largest value as well.
    const inside = windowsOf(tf.onesLike(x));
    const isLargest = tf.mul(tf.cast(tf.equal(windowsOf(x), tf.reshape(y, [-1, 1])), 'float32'), inside);
    return [tf.keep(lay), tf.keep(tf.cast(tf.oneHot(tf.argMax(isLargest, 1) as tf.Tensor1D, places), 'float32'))];
  }) as [tf.Tensor4D, tf.Tensor];
  return {
    kernel,
    apply(input) {
      const windows = tf.reshape(tf.depthwiseConv2d(input as tf.Tensor4D, filter, strides, pad, 'NHWC', 1, dimRoundingMode), [-1, places]);
      return tf.reshape(tf.sum(tf.mul(windows, choice), 1), y.shape);
    },
    tensors: [filter, choice],
  };
}

interface PoolingAttributes {
  readonly filterSize: number | [number, number];
  readonly strides: number | [number, number];
  readonly pad: 'valid' | 'same' | number;
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

function pairOf(size: number | [number, number]): [number, number] {
  return Array.isArray(size) ? size : [size, size];
}

/** 1 where x is between the bounds, otherwise 0. */
function between(x: tf.Tensor, low: number, high: number): tf.Tensor {
  const isInside = high === Number.POSITIVE_INFINITY ? tf.greater(x, low) : tf.logicalAnd(tf.greater(x, low), tf.less(x, high));
  return tf.cast(isInside, 'float32');
}

interface WatchedKernel {
  readonly kernel: string;
  readonly attrs: Readonly<Record<string, unknown>>;
  /** Runs the kernel as it is. */
  run(): tf.Tensor | tf.Tensor[];
}

type Handler = (call: WatchedKernel, inputs: tf.NamedTensorMap) => tf.Tensor | tf.Tensor[];

/** Gives every kernel that `run` asks for to the handler. Kernels that the handler asks for run as they are. */
function withKernels<Result>(run: () => Result, handler: Handler): Result {
  const engine = tf.engine();
  const before = engine.runKernel;
  const asItIs = before.bind(engine);
  let isHandling = false;
  const watched: typeof engine.runKernel = (kernel, inputs, attrs) => {
    const plain = () => asItIs(kernel, inputs, attrs) as tf.Tensor | tf.Tensor[];
    if (isHandling) return plain() as never;
    isHandling = true;
    try {
      return handler({ kernel, attrs: (attrs ?? {}) as Readonly<Record<string, unknown>>, run: plain }, inputs) as never;
    } finally {
      isHandling = false;
    }
  };
  engine.runKernel = watched;
  try {
    return run();
  } finally {
    engine.runKernel = before;
  }
}

function unheld(kernel: string): StillhouseError {
  return new StillhouseError(
    'model.invalid',
    `the loss takes the gradient by the images of a model whose operation ${kernel} has kinks that cannot be held`,
    {
      hint: 'Take ReLU, ReLU6, LeakyReLU, a smooth activation, or max pooling of pictures in the student, or leave the loss gradient-attention out',
    },
  );
}
