/**
 * Describes a model that a command names: one of the package, a user's module, or a saved model. It is built in a process of its own
 * (main.ts), with a deadline, so that no code of the user's runs in the command.
 */

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { byDistance, nearest, suggest } from '../../base/nearest.js';
import type { ModelRecipe } from '../../config/schema.js';
import { StillhouseError } from '../../errors/stillhouse-error.js';
import type { ErrorCode } from '../../errors/table.js';
import type { ModelSummary } from '../../nn/model-summary.js';
import { MODEL_NAMES } from '../../nn/names.js';
import { askChild } from '../../process/ask-child.js';
import { describeEnd } from '../../process/child.js';

const MODULE = 'src/recipe/description/main.js';
/** A model of many layers takes a few seconds; a busy machine takes longer. */
const DEADLINE_MS = 60_000;

/** The names that an error about a wrong one lists. */
const CLOSEST = 3;

/** The model to describe. */
export type ModelOrigin =
  | { readonly of: 'recipe'; readonly spec: ModelRecipe }
  /** The path of a model.json, or of the folder that it is in. */
  | { readonly of: 'file'; readonly path: string };

export interface DescriptionRequest {
  readonly origin: ModelOrigin;
  /** Height, width and channels of the images, and the number of classes; a saved model has its own. */
  readonly inputShape: readonly [number, number, number];
  readonly classes: number;
}

export interface ModelDescription extends ModelSummary {
  /** The shape of an image, and the number of classes, as the model has them; null where it does not fix them. */
  readonly inputShape: readonly (number | null)[];
  readonly classes: number | null;
  /** The reason why no run can take the model; null when there is none. */
  readonly unfit: string | null;
}

/** The answer of the process. */
export type DescriptionAnswer =
  | ({ readonly type: 'described' } & ModelDescription)
  | { readonly type: 'failed'; readonly code: ErrorCode; readonly message: string };

const HINT = 'Give a name of the package, the path of a module (.mjs), or that of a model.json or its folder';

/** The model that a text names: a name of the package first, then a path. Throws `model.invalid` when it is neither. */
export function modelOrigin(text: string, options: ModelRecipe['options']): ModelOrigin {
  if ((MODEL_NAMES as readonly string[]).includes(text)) return { of: 'recipe', spec: { name: text, options } };
  const path = resolve(text);
  const isModule = /\.[cm]?js$/.test(text);
  if (existsSync(path)) return isModule ? { of: 'recipe', spec: { module: path, options } } : { of: 'file', path };
  if (isModule || /[\\/]|\.json$/.test(text))
    throw new StillhouseError('model.invalid', 'there is no such file', { file: text, hint: HINT });
  const closest = byDistance(text, MODEL_NAMES).slice(0, CLOSEST).join(', ');
  throw new StillhouseError('model.invalid', `there is no model "${text}"${suggest(text, MODEL_NAMES)}`, {
    hint: nearest(text, MODEL_NAMES) === null ? HINT : `The closest names: ${closest}. ${HINT}`,
  });
}

/** The description of the model. Throws `model.invalid`. Only tests give another `deadlineMs`. */
export async function describeModel(request: DescriptionRequest, deadlineMs = DEADLINE_MS): Promise<ModelDescription> {
  const { answer, end, isLate } = await askChild<DescriptionAnswer>({ module: MODULE, args: [JSON.stringify(request)] }, deadlineMs);
  if (answer?.type === 'described') {
    const { type: _type, ...description } = answer;
    return description;
  }
  if (answer?.type === 'failed') throw new StillhouseError(answer.code, answer.message);
  const { origin } = request;
  const file = origin.of === 'file' ? origin.path : origin.spec.module;
  const what = isLate
    ? `the model is not built within ${deadlineMs / 1000} s`
    : `while the model was built, its process ended (${describeEnd(end)})`;
  throw new StillhouseError('model.invalid', what, {
    ...(file === undefined ? {} : { file }),
    hint: 'A module must not wait for anything, and must not end the process',
  });
}
