/** The format `webdataset`: tar shards whose samples are an image and its label. A part is the names of its shards. */

import type { CodedFormat } from './format.js';
import { indexShards, knownClassNames } from './shard/shard-index.js';
import { isShardName } from './shard/shard-names.js';

export const webdatasetFormat: CodedFormat = {
  kind: 'coded',
  parts: { allows: isShardName, form: 'the names of tar shards in data.path, such as train-{000000..000146}.tar, or of a folder of them' },
  labelSets: ['fine'],
  channels: 3,
  settings: ['classes', 'webdataset'],
  index: indexShards,
  classNames: knownClassNames,
};
