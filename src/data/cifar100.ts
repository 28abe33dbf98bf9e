/** CIFAR-100, binary version: one file a part; each record has its coarse label, of 20, then its fine label, of 100. */

import { cifarFormat } from './cifar.js';

export const cifar100Format = cifarFormat({
  files: {
    train: [{ name: 'train.bin', records: 50_000 }],
    test: [{ name: 'test.bin', records: 10_000 }],
  },
  labels: [
    { set: 'coarse', classes: 20, names: 'coarse_label_names.txt' },
    { set: 'fine', classes: 100, names: 'fine_label_names.txt' },
  ],
});
