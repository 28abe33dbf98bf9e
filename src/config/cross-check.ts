/**
 * Mistakes that the schema cannot express, as far as the recipe alone shows them: names that nothing has, and values that
 * do not fit each other. References are checked on the recipe as it was written, so that another mistake does not hide
 * them; values are checked on the recipe whose shape is right. src/recipe has the checks that need the data, the models or the losses.
 */

import { suggest } from '../base/nearest.js';
import { entryOf, formatPath, keysOf, type Path, type Problem, valueAt } from './problem.js';
import { countWorkers, type Recipe, type TaughtStage } from './schema.js';
import { findCycle } from './stage-graph.js';
import { isTaughtStage, isTrainingStage, TRAINING_KINDS } from './stage-kinds.js';
import { endsOf } from './variable.js';

/** Finds names of models, splits and stages that nothing has, and stages that wait for each other. */
export function checkReferences(root: unknown): readonly Problem[] {
  const stages = valueAt(root, ['stages']);
  const stageNames = keysOf(stages);
  const trained = stageNames.filter((name) => TRAINING_KINDS.includes(String(valueAt(stages, [name, 'kind']))));
  const models = keysOf(valueAt(root, ['models']));
  const splits = keysOf(valueAt(root, ['data', 'splits']));
  const problems: Problem[] = [];
  const expect = (path: Path, what: string, names: readonly string[]): void => {
    const found = valueAt(root, path);
    if (typeof found !== 'string' || names.includes(found)) return;
    const isStage = what !== 'stage' && stageNames.includes(found) && names === trained;
    const text = isStage ? `stage "${found}" trains no model` : `there is no ${what} "${found}"`;
    problems.push({ path, at: 'value', text: `${formatPath(path)}: ${text}${suggest(found, names)}` });
  };
  for (const name of stageNames) {
    const path = ['stages', name];
    expect([...path, 'model'], 'model', models);
    expect([...path, 'on'], 'split', splits);
    expect([...path, 'test'], 'split', splits);
    expect([...path, 'teacher'], 'training stage', trained);
    expect([...path, 'of'], 'training stage', trained);
    const needs = valueAt(root, [...path, 'needs']);
    if (Array.isArray(needs)) for (const index of needs.keys()) expect([...path, 'needs', index], 'stage', stageNames);
  }
  // A wrong name would show circles that are not there.
  if (problems.length > 0) return problems;
  const cycle = findCycle(new Map(stageNames.map((name) => [name, namedBy(entryOf(stages, name))])));
  if (cycle !== null) {
    const first = String(cycle[0]);
    problems.push({ path: ['stages', first], at: 'key', text: `stages wait for each other: ${[...cycle, first].join(' needs ')}` });
  }
  return problems;
}

function namedBy(stage: unknown): string[] {
  const needs = entryOf(stage, 'needs');
  const names: unknown[] = [...(Array.isArray(needs) ? (needs as unknown[]) : []), entryOf(stage, 'teacher'), entryOf(stage, 'of')];
  return names.filter((name) => typeof name === 'string');
}

/** Finds values that do not fit each other. */
export function checkValues(recipe: Recipe): readonly Problem[] {
  return [...checkSplits(recipe.data), ...checkEngine(recipe), ...checkStages(recipe)];
}

/** Checks the precision. Only traced steps compute in bf16, and only one engine has those. Whether `auto` takes that engine shows at run time. */
function checkEngine({ engine: { trace, precision }, workers }: Recipe): readonly Problem[] {
  if (precision !== 'bf16') return [];
  const path = ['engine', 'precision'];
  if (workers.engine !== 'auto' && workers.engine !== 'tensorflow') {
    return [{ path, at: 'value', text: `engine.precision: bf16 needs the engine tensorflow, and workers.engine is ${workers.engine}` }];
  }
  if (trace === 'off') return [{ path, at: 'value', text: 'engine.precision: only traced steps compute in bf16, and engine.trace is off' }];
  return [];
}

function checkSplits(data: Recipe['data']): readonly Problem[] {
  const problems: Problem[] = [];
  for (const [name, split] of Object.entries(data.splits)) {
    if (split.to === undefined || split.to > split.from) continue;
    const text = `data.splits.${name} is empty: it goes from ${split.from} to ${split.to}`;
    problems.push({ path: ['data', 'splits', name, 'to'], at: 'value', text });
  }
  return problems;
}

function checkStages(recipe: Recipe): readonly Problem[] {
  const problems: Problem[] = [];
  const stages = Object.entries(recipe.stages);
  if (stages.length === 0) problems.push({ path: ['stages'], at: 'key', text: 'there is no stage in stages: nothing to do' });
  for (const [name, stage] of stages) {
    const path = ['stages', name];
    if (!isTrainingStage(stage)) continue;
    if (stage.optimizer.name === 'sgd' && stage.optimizer.nesterov && stage.optimizer.momentum === 0) {
      const text = `stages.${name}.optimizer.nesterov needs a momentum above 0`;
      problems.push({ path: [...path, 'optimizer', 'nesterov'], at: 'value', text });
    }
    if (stage.schedule.warmupEpochs > stage.epochs) {
      const text = `stages.${name}.schedule.warmupEpochs is longer than the stage, which has ${stage.epochs} epochs`;
      problems.push({ path: [...path, 'schedule', 'warmupEpochs'], at: 'value', text });
    }
    if (!isTaughtStage(stage)) continue;
    if (countWorkers(recipe.workers.teachers) === 0) {
      problems.push({ path: ['workers', 'teachers'], at: 'value', text: `workers.teachers has no teacher, but stages.${name} needs one` });
    }
    problems.push(...checkShortForm(stage.loss, name));
  }
  return problems;
}

/** The ranges of the short form's two numbers. */
function checkShortForm(loss: TaughtStage['loss'], stage: string): readonly Problem[] {
  if ('terms' in loss) return [];
  const problems: Problem[] = [];
  const path = ['stages', stage, 'loss'];
  if (endsOf(loss.temperature).some((value) => value <= 0)) {
    problems.push({ path: [...path, 'temperature'], at: 'value', text: `stages.${stage}.loss.temperature must be more than 0` });
  }
  if (endsOf(loss.alpha).some((value) => value < 0 || value > 1)) {
    problems.push({ path: [...path, 'alpha'], at: 'value', text: `stages.${stage}.loss.alpha must be from 0 to 1` });
  }
  return problems;
}
