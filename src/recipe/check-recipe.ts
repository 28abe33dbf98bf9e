/**
 * Finds all mistakes of a recipe that can be found before a process is started: in its text, its data files (read to the last
 * label), its models (each is built once), and its losses with the layers that they tap (each term is computed once).
 */

import { findIdleSettings } from '../config/idle-setting.js';
import { locateInRecipe } from '../config/load.js';
import { modelLabel, peerNamed, peerRecipe, type TrainedPeer, trainedPeers } from '../config/peer.js';
import { formatPath, type Path } from '../config/problem.js';
import type { ModelRecipe, Recipe } from '../config/schema.js';
import { type DataInfo, inspectData, type VerifiedData, verifyData } from '../data/dataset.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import type { ShapeSource } from '../nn/knowledge-model.js';
import { classWarnings, overlapWarnings } from './data-warning.js';
import { type GivenModel, givenStages, keepGivenModels, openGivenModel } from './given-model.js';
import { loadRecipe } from './load-recipe.js';
import { trainingOutside } from './run-model.js';
import { trialsOf } from './term-trial.js';
import { type WorkSize, workSizes } from './work-size.js';

export interface CheckedRecipe {
  readonly recipe: Recipe;
  readonly data: DataInfo;
  /** The content of its files. */
  readonly content: VerifiedData;
  /** The number of each model's parameters, by its name in the recipe. */
  readonly parameters: Readonly<Record<string, number>>;
  /** Facts that a person should know; the recipe can be run. */
  readonly warnings: readonly string[];
  /** The work of each stage that trains, with the students of the recipe. */
  readonly work: readonly WorkSize[];
  /** A folder with the models from outside, for the coordinator (given-model.ts); null when there are none. The caller removes it. */
  readonly given: string | null;
}

/** Loads and checks a recipe. Throws the errors of loadRecipe, inspectData, buildModel and tryLoss; those of models and terms with their line. */
export async function checkRecipe(file: string, set: readonly string[]): Promise<CheckedRecipe> {
  const recipe = await loadRecipe(file, { set });
  const data = await inspectData(recipe.data);
  const content = await verifyData(recipe.data);
  const parameters: Record<string, number> = {};
  const shapes = new Map<string, ShapeSource>();
  const schemas = new Map<string, string>();
  for (const [name, model] of Object.entries(recipe.models)) {
    const inspected = await placed({ file, path: ['models', name] }, () => inspectModel(model, data));
    parameters[name] = inspected.parameters;
    shapes.set(name, inspected.shapes);
    schemas.set(name, inspected.schema);
  }
  const given = new Map<string, GivenModel>();
  for (const { stage, from, path } of givenStages(recipe)) {
    const model = await placed({ file, path }, () => openGivenModel(stage, from, { ...data, ...recipe.data }));
    given.set(stage, model);
    parameters[modelLabel(recipe, peerNamed(stage)) ?? stage] = model.parameters;
  }
  for (const peer of trainedPeers(recipe)) {
    for (const { path, run } of trialsOf(peer, recipe, { models: shapes, given })) await placed({ file, path }, run);
    await placed({ file, path: peer.place('init') }, async () => checkInit(peer, recipe, { schemas, given }));
  }
  const idle = findIdleSettings(recipe).map(({ text }) => text);
  const outside = [...given.values()].flatMap((model) => model.warnings);
  const warnings = [
    ...idle,
    ...outside,
    ...classWarnings(recipe, content),
    ...overlapWarnings(recipe, content, await trainingOutside(recipe)),
  ];
  const work = workSizes(recipe, data.splitSizes);
  const folder = given.size === 0 ? null : await keepGivenModels([...given.values()]);
  return { recipe, data, content, parameters, warnings, work, given: folder };
}

interface InspectedModel {
  readonly parameters: number;
  readonly shapes: ShapeSource;
  /** The hash of its arena's schema. */
  readonly schema: string;
}

/** Throws `model.invalid` when the parameters that a peer is to begin with are those of another model. */
function checkInit(
  { recipe: { init, model } }: TrainedPeer,
  recipe: Recipe,
  { schemas, given }: { readonly schemas: ReadonlyMap<string, string>; readonly given: ReadonlyMap<string, GivenModel> },
): void {
  if (init === undefined) return;
  const trained = peerRecipe(recipe, peerNamed(init));
  const found = trained === null ? given.get(peerNamed(init).stage)?.content.info.schema : schemas.get(trained.model);
  if (found === schemas.get(model)) return;
  throw new StillhouseError(
    'model.invalid',
    `${modelLabel(recipe, peerNamed(init))} has other layers or other sizes of weights than the model ${model}`,
    {
      hint: 'A stage can begin with the parameters of the same model alone: name that model, with the same options',
    },
  );
}

async function inspectModel(model: ModelRecipe, { height, width, channels, classes }: DataInfo): Promise<InspectedModel> {
  // Loaded only here: tfjs takes half a second to load, and most mistakes are found before.
  const { openEngine } = await import('../engines/catalogue.js');
  const { buildModel } = await import('../nn/build.js');
  const { shapeSourceOf } = await import('../nn/knowledge-model.js');
  const { arenaSchemaOf, disposeModel } = await import('../nn/weights.js');
  await openEngine('cpu');
  const built = await buildModel(model, { inputShape: [height, width, channels], classes, seed: 1 });
  const inspected = { parameters: built.countParams(), shapes: shapeSourceOf(built), schema: arenaSchemaOf(built).model.hash };
  disposeModel(built);
  return inspected;
}

/** Runs a check of a part of the recipe. An error gets the line of that part; the name of a module's file stays in its message. */
async function placed<T>({ file, path }: { readonly file: string; readonly path: Path }, check: () => Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (error) {
    if (!(error instanceof StillhouseError)) throw error;
    const place = await locateInRecipe(file, path);
    throw new StillhouseError(error.code, `${formatPath(path)}: ${error.message}`, { file, ...place, cause: error });
  }
}
