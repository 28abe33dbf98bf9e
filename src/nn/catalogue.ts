/** The package's models by name. To add one: its name in names.ts, its family here. */

import { cnn, cnnStudent, cnnTeacher } from './cnn.js';
import type { ModelFamily } from './model-family.js';
import type { ModelName } from './names.js';
import { resnet } from './resnet.js';

export const MODELS: Readonly<Record<ModelName, ModelFamily>> = {
  cnn,
  'cnn-teacher': cnnTeacher,
  'cnn-student': cnnStudent,
  resnet8: resnet(8),
  resnet14: resnet(14),
  resnet20: resnet(20),
  resnet32: resnet(32),
  resnet44: resnet(44),
  resnet56: resnet(56),
  resnet110: resnet(110),
};
