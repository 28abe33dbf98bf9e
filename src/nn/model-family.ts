/** A model of the catalogue, and what it is built from. Owns the types only. */

import type * as core from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';
import type { z } from 'zod';

/** The model to build, as data and recipe ask for it. */
export interface BuildContext {
  /** Height, width, channels. */
  readonly inputShape: readonly [number, number, number];
  /** The model's output is logits, [batch, classes]: no softmax. */
  readonly classes: number;
  /** The initial parameters are a function of it, the same on every engine. */
  readonly seed: number;
  readonly options: Readonly<Record<string, number | string | boolean>>;
}

/** tfjs as a user's module gets it: the very copy that Stillhouse runs on. */
export interface TfModules {
  readonly core: typeof core;
  readonly layers: typeof layers;
}

/** The function that a user's module exports as `build`. The model is the caller's to dispose. */
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
