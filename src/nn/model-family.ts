/** The types of a model of the catalogue and of a user's module. Owns the types only. */

import type * as core from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';
import type { z } from 'zod';

/** The facts from the data and the recipe about the model to build. */
export interface BuildContext {
  /** Height, width, channels. */
  readonly inputShape: readonly [number, number, number];
  /** The number of classes. The model's output is logits, [batch, classes], without softmax. */
  readonly classes: number;
  /** The initial parameters are a function of it, the same on every engine. */
  readonly seed: number;
  readonly options: Readonly<Record<string, number | string | boolean>>;
}

/** tfjs as a user's module gets it: the copy of tfjs that Stillhouse itself runs on. */
export interface TfModules {
  readonly core: typeof core;
  readonly layers: typeof layers;
}

/** The type of the function `build` that a user's module exports. The caller disposes the model. */
export type ModelBuilder = (context: BuildContext, tf: TfModules) => layers.LayersModel | Promise<layers.LayersModel>;

/** An entry of the catalogue. `options` checks the recipe's options and fills in the defaults. */
export interface ModelFamily<Options extends z.ZodObject = z.ZodObject> {
  readonly options: Options;
  build(context: BuildContext, options: z.infer<Options>): layers.LayersModel;
}

/** Ties the type of `build`'s options to the schema, then forgets it, so that families of different options fit one table. */
export function family<Options extends z.ZodObject>(definition: ModelFamily<Options>): ModelFamily {
  return definition as unknown as ModelFamily;
}
