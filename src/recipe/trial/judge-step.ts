/** The faults that a training step shows: no finite loss, probabilities for logits, layers that do not learn. Pure. */

import { spellPeer, type TrainedPeer } from '../../config/peer.js';
import type { Path } from '../../config/problem.js';
import type { PeerRecipe } from '../../config/schema.js';
import { StillhouseError } from '../../errors/stillhouse-error.js';
import { keysOfTerms, LABELS_KEY, longForm } from '../../losses/loss-plan.js';
import type { TriedStep } from '../../step/try-step.js';
import { describeProbabilities } from './probabilities.js';

/** The findings of a step. */
export interface StepFindings {
  /** Null when the model can be trained. */
  readonly fault: StillhouseError | null;
  /** The place of the fault in the recipe. */
  readonly path: Path;
  readonly warnings: readonly string[];
}

/** The most layers that a warning names. */
const LAYERS_NAMED = 5;

const LOOK_AT_NUMBERS = 'Look at the initial values of its layers, and at data.normalise';
const LEAVE_SOFTMAX_OUT = 'Leave the softmax out: the losses make it themselves';
const LOOK_AT_LOSS = 'Look at the numbers of the loss; a root or a logarithm of 0 has no finite gradient';

/** Judges the step of this peer, whose model is built by `file` where that is a module of the user's. */
export function judgeStep(
  peer: TrainedPeer,
  { tried, file }: { readonly tried: TriedStep; readonly file: string | undefined },
): StepFindings {
  const { result, logits, spoilt, silent, learns } = tried;
  const ofModel = (what: string, hint: string): StepFindings => ({
    fault: new StillhouseError('model.invalid', what, { ...(file === undefined ? {} : { file }), hint }),
    path: ['models', peer.recipe.model],
    warnings: [],
  });
  const ofLoss = (what: string): StepFindings => ({
    fault: new StillhouseError('loss.invalid', what, { hint: LOOK_AT_LOSS }),
    path: peer.place('loss'),
    warnings: [],
  });
  if (!result.finiteLogits) return ofModel('the outputs are not finite (NaN or infinite) on two samples', LOOK_AT_NUMBERS);
  const probabilities = describeProbabilities(logits, result.count);
  if (probabilities !== null) return ofModel(probabilities, LEAVE_SOFTMAX_OUT);
  if (!result.finite) return ofLoss(notFinite(peer.recipe, result.terms));
  if (spoilt !== null) return ofLoss(`the loss is finite, and its gradient by the layer ${spoilt} is not`);
  if (!learns && peer.recipe.freeze !== undefined) return nothingTrains(peer, peer.recipe.freeze);
  return { fault: null, path: [], warnings: silent.length === 0 ? [] : [describeSilent(peer, silent)] };
}

/** The fault of a trained model that predicted `rows` rows of logits; null when there is none. */
export function faultOfLogits(logits: Float32Array, rows: number): StillhouseError | null {
  if (!logits.every(Number.isFinite)) {
    return new StillhouseError('model.invalid', `the outputs are not finite (NaN or infinite) on ${rows} samples`, {
      hint: 'Look at the data that the model was trained on, and at data.normalise',
    });
  }
  const probabilities = describeProbabilities(logits, rows);
  return probabilities === null
    ? null
    : new StillhouseError('model.invalid', probabilities, { hint: 'Save the model without its softmax' });
}

/** The fault of a stage whose frozen layers are all that its loss could train. */
function nothingTrains({ name, place }: TrainedPeer, { through, after }: NonNullable<PeerRecipe['freeze']>): StepFindings {
  const [frozen, other] =
    through === undefined
      ? [`the layers after ${after} are`, `through: ${after}`]
      : [`${through} and all before it are`, `after: ${through}`];
  const what = `nothing of the student trains in ${spellPeer(name)}: ${frozen} frozen, and no gradient of the loss reaches the others`;
  const fault = new StillhouseError('model.invalid', what, { hint: `Did you mean freeze: { ${other} }?` });
  return { fault, path: place('freeze'), warnings: [] };
}

/** The terms that are not finite, by their names. */
function notFinite(stage: PeerRecipe, terms: Readonly<Record<string, number>>): string {
  const names = [LABELS_KEY, ...keysOfTerms(longForm(stage).terms)];
  const bad = names.filter((name) => !Number.isFinite(terms[name] ?? 0));
  return `the loss of a training step is not finite${bad.length === 0 ? '' : ` (${bad.join(', ')})`}`;
}

/** The warning about a stage that does not train in bf16, as the recipe wishes. */
export function describeFp32({ name }: TrainedPeer): string {
  const why = 'its loss takes the gradient by the images from small differences, which bf16 does not show';
  return `${spellPeer(name)}: engine.precision is bf16, and this stage trains in fp32: ${why}`;
}

function describeSilent({ name, recipe: { model } }: TrainedPeer, layers: readonly string[]): string {
  const more = layers.length > LAYERS_NAMED ? ` and ${layers.length - LAYERS_NAMED} more` : '';
  const which = `${layers.length === 1 ? 'the layer' : 'the layers'} ${layers.slice(0, LAYERS_NAMED).join(', ')}${more}`;
  const learn = layers.length === 1 ? 'it learns' : 'they learn';
  return `${spellPeer(name)}: no gradient reaches ${which} of models.${model}, so ${learn} nothing in this stage`;
}
