/**
 * The declaration of the loss of Gram matrices; its arithmetic is in gram.ts. Both models reduce their feature maps to the matrices, so
 * that C^2 numbers of an image travel. The two maps of a pair have as many channels; they may have different sizes.
 */

import { StillhouseError } from '../errors/stillhouse-error.js';
import type { LossDeclaration } from './loss-declaration.js';
import { type MapPair, needsOfMaps } from './map-pair.js';

export const gramDeclaration: LossDeclaration = {
  paper: 'Gatys, Ecker & Bethge, arXiv 1508.06576; a mean over the places, as in Yim et al., CVPR 2017',
  weight: 50,
  knobs: {},
  constants: {},
  takesTaps: true,
  takesOther: true,
  needs: (settings, shapes) =>
    needsOfMaps(settings, shapes, (pair) => {
      checkChannels(pair);
      return { name: 'channel-gram', options: {} };
    }),
};

function checkChannels({ own, other }: MapPair): void {
  if (own.channels === other.channels) return;
  const what = `the loss compares channel with channel, and the layer "${own.layer}" has ${own.channels}, but "${other.layer}" ${other.channels}`;
  throw new StillhouseError('model.invalid', what, {
    hint: "Tap layers with as many channels of the student as of the teacher, or take a loss that allows others: 'nst' or 'attention-transfer'",
  });
}
