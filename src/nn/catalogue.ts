/** The package's models by name. To add one: its name in names.ts, its family here. */

import { cnn, cnnStudent, cnnTeacher } from './cnn.js';
import { densenetBc } from './densenet.js';
import { imagenetResnet } from './imagenet-resnet.js';
import { mobilenetV1 } from './mobilenet-v1.js';
import { mobilenetV2 } from './mobilenet-v2.js';
import type { ModelFamily } from './model-family.js';
import type { ModelName } from './names.js';
import { resnet, resnetX4 } from './resnet.js';
import { shufflenetV1 } from './shufflenet-v1.js';
import { shufflenetV2 } from './shufflenet-v2.js';
import { vgg } from './vgg.js';
import { wideResnet } from './wide-resnet.js';

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
  resnet8x4: resnetX4(8),
  resnet32x4: resnetX4(32),
  'wrn-16-2': wideResnet(16, 2),
  'wrn-40-1': wideResnet(40, 1),
  'wrn-40-2': wideResnet(40, 2),
  vgg8: vgg(8),
  vgg13: vgg(13),
  vgg16: vgg(16),
  resnet18: imagenetResnet(18),
  resnet34: imagenetResnet(34),
  resnet50: imagenetResnet(50),
  mobilenetv1: mobilenetV1,
  mobilenetv2: mobilenetV2,
  shufflenetv1: shufflenetV1,
  shufflenetv2: shufflenetV2,
  'densenet-bc': densenetBc,
};
