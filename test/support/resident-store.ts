/** The pixels of a source that lie in memory, for tests. */

import { assert } from '../../src/base/assert.js';
import type { ResidentStore, SampleSource } from '../../src/data/sample-source.js';

/** Its store, which must be in memory. */
export function residentStoreOf({ name, store }: Pick<SampleSource, 'name' | 'store'>): ResidentStore {
  assert(store.kind === 'resident', `the split ${name} is not in memory`);
  return store;
}
