/** CIFAR-10, binary version: five training files and one for testing, one label byte a record. */

import { cifarFormat } from './cifar.js';

export const cifar10Format = cifarFormat({
  files: {
    train: [1, 2, 3, 4, 5].map((batch) => ({ name: `data_batch_${batch}.bin`, records: 10_000 })),
    test: [{ name: 'test_batch.bin', records: 10_000 }],
  },
  labels: [{ set: 'fine', classes: 10, names: 'batches.meta.txt' }],
});
