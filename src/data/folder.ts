/** The format `folder`: ImageNet's layout, of any folder of images. Each sub-folder is a part, with a folder for each class. */

import { indexFolder } from './folder-index.js';
import type { CodedFormat } from './format.js';

export const folderFormat: CodedFormat = {
  kind: 'coded',
  parts: null,
  labelSets: ['fine'],
  channels: 3,
  index: ({ folder, part }) => indexFolder(folder, part),
};
