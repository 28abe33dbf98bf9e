/**
 * The declaration of attention transfer by activation; its arithmetic is in attention-transfer.ts. Both models reduce their
 * feature maps to attention maps of one size, the smaller of the pair, so that only the maps travel.
 */

import type { LossDeclaration } from './loss-declaration.js';
import { needsOfMaps } from './map-pair.js';

export const attentionTransferDeclaration: LossDeclaration = {
  paper: 'Zagoruyko & Komodakis, arXiv 1612.03928',
  weight: 1000,
  knobs: {},
  constants: {
    /** The exponent of the activations. */
    p: { default: 2, min: 1 },
  },
  takesTaps: true,
  takesOther: true,
  needs(settings, shapes) {
    const { p = 2 } = settings.constants;
    return needsOfMaps(settings, shapes, ({ height, width }) => ({ name: 'attention', options: { p, height, width } }));
  },
};
