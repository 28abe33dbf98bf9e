/** The contract of every model: one input of the images' shape, and one output of logits. Owns the check of it. */

import * as layers from '@tensorflow/tfjs-layers';
import { present } from '../base/assert.js';
import { messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import type { BuildContext } from './model-family.js';

export interface ContractOptions extends Pick<BuildContext, 'inputShape' | 'classes'> {
  /** The file of the model, for messages. */
  readonly file: string;
  /** Advice for a wrong input, and for a wrong output. */
  readonly hints: { readonly input: string; readonly output: string };
}

/** Throws `model.invalid` when the model does not keep the contract. */
export function checkContract(model: layers.LayersModel, { inputShape, classes, file, hints }: ContractOptions): void {
  checkShape(model.inputs, [null, ...inputShape], { file, what: 'input', hint: hints.input });
  checkShape(model.outputs, [null, classes], { file, what: 'output', hint: hints.output });
  checkLogits(model, file);
}

/** The reason why no run can take a saved model, whatever its data is; null when there is none. */
export function contractFault(model: layers.LayersModel, file: string): string | null {
  const [height = 0, width = 0, channels = 0] = model.inputs[0]?.shape.slice(1).map((axis) => axis ?? 0) ?? [];
  const hints = { input: 'A run gives it images of height, width and channels', output: 'A run takes one logit for each class' };
  try {
    checkContract(model, { inputShape: [height, width, channels], classes: model.outputs[0]?.shape.at(-1) ?? 0, file, hints });
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

interface ShapeCheck {
  readonly file: string;
  readonly what: string;
  readonly hint: string;
}

function checkShape(
  tensors: readonly layers.SymbolicTensor[],
  expected: readonly (number | null)[],
  { file, what, hint }: ShapeCheck,
): void {
  const found = tensors.map((tensor) => JSON.stringify(tensor.shape)).join(' and ');
  if (found !== JSON.stringify(expected)) {
    throw new StillhouseError('model.invalid', `the model's ${what} is ${found}, not ${JSON.stringify(expected)}`, { file, hint });
  }
}

/** Layers that change the numbers of their input one by one, or a row of them: after the last dense layer these are no logits. */
const SQUASHING = /^(Softmax|ReLU|LeakyReLU|PReLU|ELU|ThresholdedReLU)$/;

/** The losses take logits: numbers of any sign, before a softmax. */
function checkLogits(model: layers.LayersModel, file: string): void {
  let last = present(model.outputs[0], 'the output').sourceLayer;
  while (last instanceof layers.LayersModel) last = present(last.outputs[0], 'the output of the model in the model').sourceLayer;
  const { activation = 'linear' } = last.getConfig();
  const name = SQUASHING.test(last.getClassName()) ? last.getClassName().toLowerCase() : String(activation);
  if (name === 'linear') return;
  throw new StillhouseError('model.invalid', `the model ends with a ${name} (layer '${last.name}'), and the losses take logits`, {
    file,
    hint: 'Leave it out: end with a dense layer without activation. The losses make the softmax themselves',
  });
}
