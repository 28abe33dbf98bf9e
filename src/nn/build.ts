/**
 * Makes the model that a recipe asks for: one of the catalogue by name, or a user's module. An engine must be open.
 * Every error is a `model.invalid` that says what to change.
 */

import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { z } from 'zod';
import { suggest } from '../base/nearest.js';
import type { ModelRecipe } from '../config/schema.js';
import { messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import { MODELS } from './catalogue.js';
import type { BuildContext, ModelFamily } from './model-family.js';
import { MODEL_NAMES, type ModelName } from './names.js';
import { buildFromModule } from './user-module.js';

/** A new model whose output is logits [batch, classes]. The caller disposes it. Throws `model.invalid`. */
export async function buildModel(spec: ModelRecipe, context: Omit<BuildContext, 'options'>): Promise<LayersModel> {
  const full: BuildContext = { ...context, options: spec.options };
  if (spec.module !== undefined) return buildFromModule(spec.module, full);
  return buildByName(spec.name ?? '', full);
}

function buildByName(name: string, context: BuildContext): LayersModel {
  if (!isModelName(name)) {
    throw new StillhouseError('model.invalid', `there is no model '${name}'${suggest(name, MODEL_NAMES)}`);
  }
  const family = MODELS[name];
  const options = checkOptions(name, family, context.options);
  try {
    return family.build(context, options);
  } catch (error) {
    const [height, width, channels] = context.inputShape;
    throw new StillhouseError('model.invalid', `model '${name}' cannot be built for images of ${height}x${width}x${channels}`, {
      hint: messageOf(error),
      cause: error,
    });
  }
}

function isModelName(name: string): name is ModelName {
  return (MODEL_NAMES as readonly string[]).includes(name);
}

function checkOptions(name: string, family: ModelFamily, options: BuildContext['options']): z.infer<ModelFamily['options']> {
  const checked = family.options.safeParse(options);
  if (checked.success) return checked.data;
  const known = Object.keys(family.options.shape);
  const [issue] = checked.error.issues;
  if (issue?.code === 'unrecognized_keys') {
    const unknown = issue.keys[0] ?? '';
    throw new StillhouseError('model.invalid', `model '${name}' has no option '${unknown}'${suggest(unknown, known)}`);
  }
  throw new StillhouseError('model.invalid', `option '${issue?.path.join('.')}' of model '${name}': ${issue?.message}`);
}
