/** The names of the package's models, without tfjs, so that a recipe can be checked by processes that never load it. */

export const RESNET_DEPTHS = [8, 14, 20, 32, 44, 56, 110] as const;
export type ResnetDepth = (typeof RESNET_DEPTHS)[number];

export const MODEL_NAMES = [
  'cnn',
  'cnn-teacher',
  'cnn-student',
  'resnet8',
  'resnet14',
  'resnet20',
  'resnet32',
  'resnet44',
  'resnet56',
  'resnet110',
] as const;
export type ModelName = (typeof MODEL_NAMES)[number];
