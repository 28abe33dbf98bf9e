/** A stage that trains several models together: at each step they learn from each other's predictions (arXiv 1706.00384). */

import { peerNamed } from '../../../src/config/peer.js';
import type { StageRecipe } from '../../../src/config/schema.js';
import type { StageKind } from './stage-kind.js';
import { trainingKind } from './training.js';

/** The kind `mutual`: two or more peers, each with up to `replicas` students. The model of another stage may teach them as well. */
export function mutualKind(recipe: Extract<StageRecipe, { kind: 'mutual' }>): StageKind {
  const { teacher, replicas } = recipe;
  return trainingKind(recipe, { teacher: teacher === undefined ? null : peerNamed(teacher), columnsMax: replicas });
}
