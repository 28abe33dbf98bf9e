/**
 * The arithmetic that a layer does for one image in inference, from its kind and its shapes. Pure. A convolution counts the places of the
 * padding as if they were read, as published counts do.
 */

import { sizeOf } from '../tensor/tensor.js';

/** The facts of one call of a layer. Shapes are without the batch. */
export interface LayerFacts {
  /** Its class in tfjs: `Conv2D`. */
  readonly kind: string;
  /** Its options, as tfjs writes them. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Its weights by their own names: `kernel`, `bias`. */
  readonly weights: Readonly<Record<string, readonly number[]>>;
  readonly inputs: readonly (readonly number[])[];
  readonly output: readonly number[];
}

export interface LayerCost {
  /** Products that are added up: those of convolutions and dense layers. */
  readonly multiplyAdds: number;
  /** Floating-point operations: two for each multiply-add, and one for each other addition, product, comparison or activation. */
  readonly flops: number;
}

const NOTHING: LayerCost = { multiplyAdds: 0, flops: 0 };

/** Layers that only move numbers in inference. */
const MOVING =
  /^(InputLayer|Flatten|Reshape|Permute|RepeatVector|ZeroPadding2D|Cropping2D|Concatenate|Masking|(Spatial|Alpha|Gaussian)?Dropout(1D)?|GaussianNoise)$/;
const LINEAR = /^(Conv[123]D|DepthwiseConv2D|SeparableConv2D|Dense)$/;
const TRANSPOSED = /^Conv[23]DTranspose$/;
const ELEMENTWISE = /^(ReLU|LeakyReLU|PReLU|ELU|ThresholdedReLU|Softmax)$/;
const POOLING = /^(Max|Average)Pooling[123]D$/;
const GLOBAL_POOLING = /^Global(Max|Average)Pooling[12]D$/;
const MERGING = /^(Add|Multiply|Average|Maximum|Minimum)$/;

/** The cost of one call; null for a kind of layer that has no rule here. */
export function costOf({ kind, config, weights, inputs, output }: LayerFacts): LayerCost | null {
  const elements = sizeOf(output);
  const read = sizeOf(inputs[0] ?? []);
  const activation = config.activation === undefined || config.activation === 'linear' ? 0 : elements;
  if (LINEAR.test(kind) || TRANSPOSED.test(kind)) {
    // Each place of the output, or of the input for a transposed one, meets every number of the kernels once.
    const places = sizeOf((TRANSPOSED.test(kind) ? (inputs[0] ?? []) : output).slice(0, -1));
    const kernels = Object.entries(weights).filter(([name]) => name.endsWith('kernel'));
    const multiplyAdds = places * kernels.reduce((sum, [, shape]) => sum + sizeOf(shape), 0);
    return { multiplyAdds, flops: 2 * multiplyAdds + (weights.bias === undefined ? 0 : elements) + activation };
  }
  if (MOVING.test(kind)) return NOTHING;
  const flops = otherOperations({ kind, config, inputs, elements, read, activation });
  return flops === null ? null : { multiplyAdds: 0, flops };
}

interface OtherFacts extends Pick<LayerFacts, 'kind' | 'config' | 'inputs'> {
  readonly elements: number;
  readonly read: number;
  readonly activation: number;
}

/** The operations of a layer without a kernel. */
function otherOperations({ kind, config, inputs, elements, read, activation }: OtherFacts): number | null {
  if (kind === 'Activation') return activation;
  if (ELEMENTWISE.test(kind)) return elements;
  // A factor and a shift for each channel.
  if (kind === 'BatchNormalization') return 2 * elements;
  if (POOLING.test(kind)) return elements * sizeOf([config.poolSize].flat().map(Number));
  if (GLOBAL_POOLING.test(kind)) return read;
  if (MERGING.test(kind)) return (inputs.length - 1) * elements;
  if (kind === 'UpSampling2D' && config.interpolation !== 'bilinear') return 0;
  return null;
}
