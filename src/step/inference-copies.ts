/**
 * A model that does not train, ready to answer: it has a copy with folded BatchNorms (src/nn/fold.ts) for each list of specs
 * that it is asked for. A norm whose input is tapped is not folded, so each list of taps needs its own copy.
 *
 * Invariants: at most `COPIES_MAX` copies are kept, those used last; all have the source's parameters as of the last `refresh`.
 */

import type * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { type FoldedModel, foldBatchNorms } from '../nn/fold.js';
import { type KnowledgeModel, knowledgeModel } from '../nn/knowledge-model.js';
import { weightsOf } from '../nn/weights.js';
import { type OutputSpec, specsKey } from '../tensor/knowledge.js';

/** Each copy has all of the model's weights. */
const COPIES_MAX = 4;

interface Copy {
  readonly knowledge: KnowledgeModel;
  /** Null when there is nothing to fold and the source's own layers answer. */
  readonly folded: FoldedModel | null;
}

export class InferenceCopies {
  readonly #source: LayersModel;
  /** By the key of the specs; the one used last is last. */
  readonly #copies = new Map<string, Copy>();

  constructor(source: LayersModel) {
    this.#source = source;
  }

  /** The specs' tensors of images [B, H, W, C], in inference mode. Must be called inside tf.tidy. Throws `model.invalid` as knowledgeModel does. */
  run(images: tf.Tensor4D, specs: readonly OutputSpec[]): tf.Tensor[] {
    const { knowledge, folded } = this.#copyOf(specs);
    return knowledge.run(images, { training: false, through: folded?.model ?? knowledge.model });
  }

  /** The variables that `run` reads for these specs. They are valid until it runs with other specs. */
  weights(specs: readonly OutputSpec[]): readonly tf.Variable[] {
    const { knowledge, folded } = this.#copyOf(specs);
    return weightsOf(folded?.model ?? knowledge.model);
  }

  /** Copies the source's present parameters into the folded copies. */
  refresh(): void {
    for (const { folded } of this.#copies.values()) folded?.refresh();
  }

  dispose(): void {
    for (const { folded } of this.#copies.values()) folded?.dispose();
    this.#copies.clear();
  }

  #copyOf(specs: readonly OutputSpec[]): Copy {
    const key = specsKey(specs);
    const copy = this.#copies.get(key) ?? this.#makeCopy(specs);
    this.#copies.delete(key);
    this.#copies.set(key, copy);
    for (const [oldest, { folded }] of [...this.#copies].slice(0, -COPIES_MAX)) {
      folded?.dispose();
      this.#copies.delete(oldest);
    }
    return copy;
  }

  #makeCopy(specs: readonly OutputSpec[]): Copy {
    const knowledge = knowledgeModel(this.#source, specs);
    return { knowledge, folded: foldBatchNorms(knowledge.model) };
  }
}
