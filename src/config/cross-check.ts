/**
 * Mistakes that the schema cannot express, as far as the recipe alone shows them: names that nothing has, and values that
 * do not fit each other. References are checked on the recipe as it was written, so that another mistake does not hide
 * them; values are checked on the recipe whose shape is right. src/recipe has the checks that need the data, the models or the losses.
 */

import { suggest } from '../base/nearest.js';
import { MODEL_PEER, namesOfPeers, pathsOfKey, peerNamed, type TrainedPeer, trainedPeers } from './peer.js';
import { entryOf, formatPath, keysOf, type Path, type Problem, valueAt } from './problem.js';
import { countWorkers, type Recipe, type StageRecipe } from './schema.js';
import { findCycle } from './stage-graph.js';
import { isTaughtStage, MODEL_KINDS } from './stage-kinds.js';
import { endsOf } from './variable.js';

/** The largest value of a pixel in a file. */
const PIXEL_MAX = 255;

/** Finds names of models, splits and stages that nothing has, and stages that wait for each other. */
export function checkReferences(root: unknown): readonly Problem[] {
  const stages = valueAt(root, ['stages']);
  const stageNames = keysOf(stages);
  const owners = stageNames.filter((name) => MODEL_KINDS.includes(String(valueAt(stages, [name, 'kind']))));
  const trained = owners.flatMap((name) => namesOfPeers(name, entryOf(stages, name)));
  const models = keysOf(valueAt(root, ['models']));
  const splits = keysOf(valueAt(root, ['data', 'splits']));
  const problems: Problem[] = [];
  const expect = (path: Path, what: string, names: readonly string[]): void => {
    const found = valueAt(root, path);
    if (typeof found !== 'string' || names.includes(found)) return;
    problems.push({ path, at: 'value', text: `${formatPath(path)}: there is no ${what} "${found}"${suggest(found, names)}` });
  };
  const expectModel = (path: Path): void => {
    const found = valueAt(root, path);
    if (typeof found !== 'string' || trained.includes(found)) return;
    const peers = owners.includes(found) ? namesOfPeers(found, entryOf(stages, found)) : [];
    const add = (what: string) => problems.push({ path, at: 'value', text: `${formatPath(path)}: ${what}` });
    if (peers.length > 0) add(`stage "${found}" trains several models; name one: ${peers.join(', ')}`);
    else if (stageNames.includes(found)) add(`stage "${found}" has no model of its own${suggest(found, trained)}`);
    else if (isOfLoading(stages, found))
      add(
        `"${found}" is not written in this recipe; write it, as a stage { kind: load, from: ..., test: ... }, and name it here and there`,
      );
    else if (/[/\\]|\.json$/.test(found))
      add(`"${found}" is no stage; give a model from outside as { file: ${found} } or { run: ${found} }`);
    else add(`there is no training stage "${found}"${suggestPeer(found, trained)}`);
  };
  for (const name of stageNames) {
    const path = ['stages', name];
    for (const key of pathsOfKey(entryOf(stages, name), 'model')) expect([...path, ...key], 'model', models);
    expect([...path, 'on'], 'split', splits);
    expect([...path, 'test'], 'split', splits);
    expectModel([...path, 'teacher']);
    expectModel([...path, 'of']);
    for (const key of pathsOfKey(entryOf(stages, name), 'init')) expectModel([...path, ...key]);
    expectModel([...path, 'of', 'stage']);
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

/** Whether this seems to be the name of a stage that loading the recipe makes, for a model from outside that a stage names. */
function isOfLoading(stages: unknown, name: string): boolean {
  return keysOf(stages).some((stage) => {
    const own = entryOf(stages, stage);
    const sources = [['teacher'], ...pathsOfKey(own, 'init')].map((path) => valueAt(own, path));
    return /-(teacher|init)(-\d+)?$/.test(name) && name.startsWith(`${stage}-`) && sources.some((source) => typeof source === 'object');
  });
}

/** Suggests the full name of a peer whose short name was given; otherwise the nearest name. */
function suggestPeer(found: string, trained: readonly string[]): string {
  const full = trained.find((name) => name.endsWith(`.${found}`));
  return full === undefined ? suggest(found, trained) : `; did you mean "${full}"?`;
}

function namedBy(stage: unknown): string[] {
  const needs = entryOf(stage, 'needs');
  const stages: unknown[] = Array.isArray(needs) ? needs : [];
  const inits = pathsOfKey(stage, 'init').map((path) => valueAt(stage, path));
  const models = [entryOf(stage, 'teacher'), entryOf(stage, 'of'), valueAt(stage, ['of', 'stage']), ...inits];
  const named = models.flatMap((model) => (typeof model === 'string' ? [peerNamed(model).stage] : []));
  return [...stages.filter((name) => typeof name === 'string'), ...named];
}

/** Finds values that do not fit each other. */
export function checkValues(recipe: Recipe): readonly Problem[] {
  return [...checkSplits(recipe.data), ...checkUnits(recipe.data), ...checkEngine(recipe), ...checkStages(recipe)];
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
    const text = `data.splits.${name} is empty: from is ${split.from}, and to is ${split.to}; to must be more`;
    problems.push({ path: ['data', 'splits', name, 'to'], at: 'value', text });
  }
  return problems;
}

/** Pixels are numbers from 0 to 1: so is their mean, and their deviation is at most a half, or 1 where nothing is to be scaled. */
function checkUnits({ normalise }: Recipe['data']): readonly Problem[] {
  return (['mean', 'std'] as const).flatMap((key) => {
    const values = normalise[key];
    if (values.every((value) => value >= 0 && value <= 1)) return [];
    const path = ['data', 'normalise', key];
    const isOfBytes = values.every((value) => value >= 0 && value <= PIXEL_MAX);
    const scaled = values.map((value) => Number((value / PIXEL_MAX).toFixed(4)));
    const mend = isOfBytes ? `these look like values for pixels from 0 to ${PIXEL_MAX}: give [${scaled.join(', ')}], or what` : 'give what';
    const text = `${formatPath(path)} must be from 0 to 1, because pixels are; ${mend} \`stillhouse data verify\` prints`;
    return [{ path, at: 'value' as const, text }];
  });
}

function checkStages(recipe: Recipe): readonly Problem[] {
  const problems: Problem[] = [];
  const stages = Object.entries(recipe.stages);
  if (stages.length === 0) problems.push({ path: ['stages'], at: 'key', text: 'there is no stage in stages: nothing to do' });
  for (const [name, stage] of stages) {
    if (isTaughtStage(stage) && countWorkers(recipe.workers.teachers) === 0) {
      problems.push({ path: ['workers', 'teachers'], at: 'value', text: `workers.teachers has no teacher, but stages.${name} needs one` });
    }
  }
  for (const [name, stage] of stages) {
    if (stage.kind === 'mutual') problems.push(...checkCohort(recipe, { name, stage }));
  }
  for (const peer of trainedPeers(recipe)) problems.push(...checkPeer(peer));
  return problems;
}

/** The peers of a mutual stage together: their number, their names, what each must have, and the students for them. */
function checkCohort(
  { workers }: Recipe,
  { name, stage }: { readonly name: string; readonly stage: Extract<StageRecipe, { kind: 'mutual' }> },
): readonly Problem[] {
  const place = `stages.${name}`;
  const peers = Object.entries(stage.peers);
  const problems: Problem[] = [];
  const add = (path: Path, at: Problem['at'], text: string): void => void problems.push({ path, at, text });
  const path = ['stages', name, 'peers'];
  if (peers.length < 2) {
    add(
      path,
      'value',
      `${place}.peers has ${peers.length === 1 ? 'one peer' : 'no peer'}: peers learn from each other, so give two or more`,
    );
  }
  for (const [peer, own] of peers) {
    if (peer === MODEL_PEER)
      add(
        [...path, peer],
        'key',
        `${place}.peers: "${MODEL_PEER}" cannot be the name of a peer: it is the model of a stage that trains one`,
      );
    for (const key of ['model', 'optimizer'] as const) {
      if (own[key] === undefined && stage[key] === undefined)
        add([...path, peer], 'key', `${place}.peers.${peer} has no ${key}, and neither has its stage`);
    }
  }
  for (const key of pathsOfKey(stage, 'fromTeacher')) {
    const full = ['stages', name, ...key];
    if (valueAt(stage, key) !== undefined && stage.teacher === undefined)
      add(full, 'key', `${formatPath(full)}: the stage has no teacher; name one with teacher`);
  }
  const students = workers.students === undefined ? null : countWorkers(workers.students);
  const cells = peers.length * stage.replicas;
  if (students !== null && students < cells) {
    const what = `workers.students is ${students}, and ${place} has ${peers.length} peers x ${stage.replicas} replicas = ${cells} students`;
    const fewer = students >= peers.length ? `, or give it replicas: ${Math.floor(students / peers.length)}` : '';
    add(['workers', 'students'], 'value', `${what}; leave workers.students out${fewer}`);
  }
  return problems;
}

/** The keys by which one peer trains. */
function checkPeer({ recipe: { optimizer, schedule, epochs, loss }, place }: TrainedPeer): readonly Problem[] {
  // checkCohort has said what is missing.
  if (optimizer === undefined) return [];
  const problems: Problem[] = [];
  const check = (isRight: boolean, path: Path, what: string): void => {
    if (!isRight) problems.push({ path, at: 'value', text: `${formatPath(path)} ${what}` });
  };
  const momentum = optimizer.name !== 'sgd' || !optimizer.nesterov || optimizer.momentum > 0;
  check(momentum, [...place('optimizer'), 'nesterov'], 'needs a momentum above 0');
  const warmup = schedule.warmupEpochs <= epochs;
  check(warmup, [...place('schedule'), 'warmupEpochs'], `is longer than the stage, which has ${epochs} epochs`);
  const milestones = schedule.name === 'step' ? schedule.epochs : [];
  const isRising = milestones.every((milestone, i) => i === 0 || milestone > (milestones[i - 1] ?? 0));
  check(isRising, [...place('schedule'), 'epochs'], `must rise: give [${[...new Set(milestones)].sort((a, b) => a - b).join(', ')}]`);
  if (!('alpha' in loss)) return problems;
  const { temperature, alpha } = loss;
  check(
    endsOf(temperature).every((value) => value > 0),
    [...place('loss'), 'temperature'],
    'must be more than 0',
  );
  check(
    endsOf(alpha).every((value) => value >= 0 && value <= 1),
    [...place('loss'), 'alpha'],
    'must be from 0 to 1',
  );
  return problems;
}
