/**
 * The declaration of the flow of solution procedure; its arithmetic is in fsp.ts. Both models reduce the maps of two of their layers to
 * one matrix, so that C D numbers of an image travel for layers of C and D channels. Student and teacher have as many channels in the
 * first layer of a flow, and in the second; the maps may have any sizes.
 */

import { StillhouseError } from '../errors/stillhouse-error.js';
import type { SampleSpec } from '../tensor/knowledge.js';
import type { LayerFlow, LossDeclaration, TapShapes } from './loss-declaration.js';
import { checkMap, type MapShape } from './map-pair.js';

export const fspDeclaration: LossDeclaration = {
  paper: 'Yim, Joo, Bae & Kim, CVPR 2017; the weight is that of Tian et al., arXiv 1910.10699',
  weight: 50,
  knobs: {},
  constants: {},
  takesTaps: false,
  takesFlows: true,
  takesOther: true,
  needs({ flows = [] }, shapes) {
    for (const flow of flows) checkChannels(flow, shapes);
    const spec = ([from, to]: LayerFlow): SampleSpec => ({ of: 'flow', from, to });
    return { student: flows.map(([own]) => spec(own)), other: flows.map(([, other]) => spec(other)), adapters: [] };
  },
};

function checkChannels([own, other]: readonly [LayerFlow, LayerFlow], shapes: TapShapes): void {
  const [ownMaps, otherMaps] = [
    own.map((layer) => checkMap(layer, shapes.student(layer))),
    other.map((layer) => checkMap(layer, shapes.other(layer))),
  ];
  if (ownMaps.every(({ channels }, i) => channels === otherMaps[i]?.channels)) return;
  const what = `the loss compares a matrix of channels by channels, and the student's flow has ${describe(ownMaps)}, but the teacher's ${describe(otherMaps)}`;
  throw new StillhouseError('model.invalid', what, {
    hint: "Name layers with as many channels of the student as of the teacher, or take a loss that allows others: 'nst' or 'attention-transfer'",
  });
}

function describe(maps: readonly MapShape[]): string {
  return maps.map(({ layer, height, width, channels }) => `"${layer}" [${height}, ${width}, ${channels}]`).join(' to ');
}
