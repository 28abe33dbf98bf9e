/**
 * A user's own model: a JavaScript module that exports `build(context, tf)`. Owns loading it and checking its
 * model, so that a mistake shows before training starts and a saved model opens in stock tfjs.
 */

import * as core from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import { importUserModule } from '../process/import-user-module.js';
import { placeInModule } from '../process/place-in-module.js';
import { checkContract } from './contract.js';
import type { BuildContext, ModelBuilder } from './model-family.js';
import { leafLayers } from './weights.js';

/** The layers that tfjs itself can open. Read before any user's module is loaded, because a module may register more. */
const STOCK_CLASSES = new Set(Object.keys(core.serialization.SerializationMap.getMap().classNameMap));

/** Imports the module (an absolute path) and builds its model, which the caller disposes. Throws `model.invalid`. */
export async function buildFromModule(file: string, context: BuildContext): Promise<layers.LayersModel> {
  const build = await importBuilder(file);
  let model: unknown;
  try {
    model = await build(context, { core, layers });
  } catch (error) {
    throw new StillhouseError('model.invalid', `build failed: ${messageOf(error)}`, {
      file,
      ...placeInModule(error, file),
      hint: "'tf' has two parts, the packages of tfjs: tf.core (operations) and tf.layers (input, model, layers.conv2d, initializers)",
      cause: error,
    });
  }
  checkModel(model, context, file);
  return model;
}

async function importBuilder(file: string): Promise<ModelBuilder> {
  const loaded = await importUserModule(file, 'model.invalid');
  if (typeof loaded.build !== 'function') {
    const exports = Object.keys(loaded).join(', ') || 'nothing';
    throw new StillhouseError('model.invalid', `the module exports ${exports}, but no function 'build'`, {
      file,
      hint: 'Write: export function build(context, tf) { ... return tf.layers.model({ inputs, outputs }); }',
    });
  }
  return loaded.build as ModelBuilder;
}

function checkModel(model: unknown, { inputShape, classes }: BuildContext, file: string): asserts model is layers.LayersModel {
  if (!(model instanceof layers.LayersModel)) {
    throw new StillhouseError('model.invalid', 'build did not return a LayersModel', {
      file,
      hint: "Make it with the 'tf' that build is given: a model of another copy of tfjs does not count",
    });
  }
  const output = 'End with a dense layer of context.classes units and no softmax: the losses take logits';
  checkContract(model, { inputShape, classes, file, hints: { input: 'Take context.inputShape', output } });
  for (const layer of leafLayers(model)) checkLayer(layer, file);
}

function checkLayer(layer: layers.LayersModel['layers'][number], file: string): void {
  const className = layer.getClassName();
  if (!STOCK_CLASSES.has(className)) {
    throw new StillhouseError('model.invalid', `layer '${layer.name}' is a ${className}, which is not a layer of tfjs`, {
      file,
      hint: 'Use stock layers only: a saved model must open without this module',
    });
  }
  const config = layer.getConfig();
  const unused = Object.keys(config).find(
    (key) => /(Regularizer|Constraint)$/.test(key) && config[key] !== null && config[key] !== undefined,
  );
  if (unused !== undefined) {
    throw new StillhouseError('model.invalid', `layer '${layer.name}' has a ${unused}, which training would not follow`, {
      file,
      hint: "Leave it out; the recipe's optimizer.weightDecay is an L2 penalty",
    });
  }
  if (config.seed !== null && config.seed !== undefined) {
    throw new StillhouseError('model.invalid', `layer '${layer.name}' has a seed: in tfjs it would drop the same places at every step`, {
      file,
      hint: 'Leave the seed out',
    });
  }
  if (className === 'BatchNormalization' && config.axis !== -1 && config.axis !== (layer.inputSpec?.[0]?.ndim ?? 0) - 1) {
    throw new StillhouseError('model.invalid', `layer '${layer.name}' normalises axis ${config.axis}, not the last one`, {
      file,
      hint: 'Put the channels last and leave the axis out',
    });
  }
}
