/** What the convolutions of the CIFAR ResNets (src/nn/resnet.ts) cost. */

export interface Convolution {
  /** Height and width of the output. */
  readonly size: number;
  /** Channels in and out. */
  readonly from: number;
  readonly to: number;
  readonly stride: number;
  /** How many there are like this. */
  readonly times: number;
}

/** The 3x3 convolutions of a ResNet of that depth, the one of the stem first. */
export function convolutionsOf(depth: number): readonly Convolution[] {
  const blocks = (depth - 2) / 6;
  return [
    { size: 32, from: 3, to: 16, stride: 1, times: 1 },
    { size: 32, from: 16, to: 16, stride: 1, times: 2 * blocks },
    { size: 16, from: 16, to: 32, stride: 2, times: 1 },
    { size: 16, from: 32, to: 32, stride: 1, times: 2 * blocks - 1 },
    { size: 8, from: 32, to: 64, stride: 2, times: 1 },
    { size: 8, from: 64, to: 64, stride: 1, times: 2 * blocks - 1 },
  ];
}

/** Floating point operations of the convolutions, forward, for one image: two for each multiplication. */
export function forwardOperations(depth: number): number {
  return convolutionsOf(depth).reduce((sum, convolution) => sum + operationsOf(convolution), 0);
}

/** Of a training step for one image: forward, and the gradients of every filter and of every input but the image. */
export function stepOperations(depth: number): number {
  const [stem] = convolutionsOf(depth);
  return 3 * forwardOperations(depth) - (stem === undefined ? 0 : operationsOf(stem));
}

function operationsOf({ size, from, to, times }: Convolution): number {
  return times * 2 * size * size * from * to * 9;
}
