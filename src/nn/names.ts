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
  'resnet8x4',
  'resnet32x4',
  'wrn-16-2',
  'wrn-40-1',
  'wrn-40-2',
  'vgg8',
  'vgg13',
  'vgg16',
  'resnet18',
  'resnet34',
  'resnet50',
  'mobilenetv1',
  'mobilenetv2',
  'shufflenetv1',
  'shufflenetv2',
  'densenet-bc',
] as const;
export type ModelName = (typeof MODEL_NAMES)[number];
