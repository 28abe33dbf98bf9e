/** A stage with several peers, for tests of code that goes by peer: no kind of stage has them yet. */

import type { PeerRecipe, StageRecipe } from '../../src/config/schema.js';

/** The stage with these peers, each with what it does not take from the stage. */
export function withPeers<S extends StageRecipe>(stage: S, peers: Readonly<Record<string, Partial<PeerRecipe>>>): S {
  return { ...stage, ...{ peers } };
}
