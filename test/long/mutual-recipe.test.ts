/**
 * Every shipped recipe for mutual learning, run in small: `stillhouse run`, with `--set` for sizes alone, on photographs in the
 * layout that the recipe names. Where a teacher takes part, a second run whose only change is that its word weighs nothing.
 */

import { mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runFolderAt } from '../../coordinator/shell/run-folder.js';
import { present } from '../../src/base/assert.js';
import { spellPeer, trainedPeers } from '../../src/config/peer.js';
import type { Recipe } from '../../src/config/schema.js';
import { isTrainingStage } from '../../src/config/stage-kinds.js';
import { packageFolder } from '../../src/process/package-folder.js';
import { loadRecipe } from '../../src/recipe/load-recipe.js';
import { auditRun } from '../support/audit.js';
import { writeFashionAsCifar100 } from '../support/data-files.js';
import { jsonLines, summaryOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';

const FOLDER = join(packageFolder, 'deploy/recipes');
const FILES = readdirSync(FOLDER).filter((name) => /^mutual.*\.yaml$/.test(name));
const TEACHER = 'mutual-cifar100-teacher.yaml';
/** In a mutual stage an epoch is two rounds: of 8 steps, and of 4. */
const SIZE = { images: 96, tests: 64, epochs: 2, batch: 8 };
/** Some 10 s on two idle cores; many times that where others use them. */
const WAIT_MS = 400_000;
const LIMIT = { timeout: 900_000 };

const room = useRunRoom();

/** The settings that make a run of the recipe small, and change nothing else of it. */
function sizeSettings({ stages, data }: Recipe): readonly string[] {
  const training = Object.entries(stages).filter(([, stage]) => isTrainingStage(stage));
  const tested = new Set(Object.values(stages).map((stage) => ('test' in stage ? stage.test : undefined)));
  const splits = Object.entries(data.splits).map(([name, { from }]) => {
    return `data.splits.${name}.to=${from + (tested.has(name) ? SIZE.tests : SIZE.images)}`;
  });
  const steps = training.flatMap(([name]) => [`stages.${name}.epochs=${SIZE.epochs}`, `stages.${name}.batch=${SIZE.batch}`]);
  return [...splits, ...steps];
}

interface SmallRun {
  /** Its folder. */
  readonly run: string;
  /** The results, as a person sees them. */
  readonly printed: string;
}

/** Runs the recipe to its end, with settings of the caller's own as well. */
async function runSmall(name: string, more: readonly string[] = []): Promise<SmallRun> {
  const file = join(FOLDER, name);
  const recipe = await loadRecipe(file);
  const settings = [...sizeSettings(recipe), 'workers.engine=wasm', ...more];
  if (recipe.data.format === 'cifar100') {
    const photographs = join(room.folder, 'cifar-100-binary');
    await writeFashionAsCifar100(photographs, { train: SIZE.images + 1, test: SIZE.tests + 1 });
    settings.push(`data.path=${photographs}`);
  }
  const runs = mkdtempSync(join(room.folder, 'runs '));
  const sets = settings.flatMap((setting) => ['--set', setting]);
  // A teacher has learned hardly anything from so little.
  const cli = room.startWith({ waitMs: WAIT_MS }, 'run', file, '--out', runs, '--force', ...sets);
  expect(await cli.exit(), cli.stderr).toBe(0);
  const [run] = readdirSync(runs);
  return { run: join(runs, present(run, 'the folder of the run')), printed: cli.stdout };
}

/** The mean training loss of the first round of the stage. */
function firstLoss(run: string, stage: string): number {
  const round = jsonLines(runFolderAt(run).metrics).find((line) => line.type === 'progress' && line.stage === stage);
  return Number(present(round, `a round of ${stage}`).loss);
}

/** Each trained model has each image once and a row in the results, and each peer is compared with each other one. */
async function expectResults({ run, printed }: SmallRun): Promise<void> {
  const recipe = await loadRecipe(runFolderAt(run).config);
  const trained = trainedPeers(recipe).map(({ name: own, recipe: peer }) => ({ ...own, name: spellPeer(own), ...peer }));
  const names = trained.map((peer) => peer.name);
  const { accuracy, agreement, samplesCommitted } = summaryOf(run);
  expect(await auditRun(run)).toEqual(Object.fromEntries(names.map((peer) => [peer, []])));
  const stages = new Set(trained.map(({ stage }) => stage));
  expect(samplesCommitted).toBe(stages.size * SIZE.epochs * SIZE.images);

  expect(Object.keys(accuracy)).toEqual(names);
  for (const { name: peer, model } of trained) expect(printed).toMatch(new RegExp(`^${peer} +${model} +\\d`, 'm'));

  const mutual = trained.filter(({ others = [] }) => others.length > 0);
  expect(Object.keys(agreement)).toEqual(mutual.map((peer) => peer.name));
  for (const { stage, peer, name: one, others = [] } of mutual) {
    expect(Object.keys(agreement[one] ?? {})).toEqual(others);
    for (const other of others) {
      const share = agreement[one]?.[other];
      expect(share, `${one} and ${other}`).toBe(agreement[spellPeer({ stage, peer: other })]?.[peer]);
      expect(share).toBeGreaterThanOrEqual(0);
      expect(share).toBeLessThanOrEqual(1);
    }
  }
}

test('there are some, and one of them has a teacher', () => {
  expect(FILES.length).toBeGreaterThan(1);
  expect(FILES).toContain(TEACHER);
});

test.each(FILES.filter((name) => name !== TEACHER))('%s: each peer has each image once, and is in the results', LIMIT, async (name) => {
  await expectResults(await runSmall(name));
});

test(`${TEACHER}: the same; the teacher is asked, and its answers are most of the loss`, LIMIT, async () => {
  const taught = await runSmall(TEACHER);
  await expectResults(taught);
  expect(summaryOf(taught.run).imagesPerSecond.teacher).toBeGreaterThan(0);
  const untaught = await runSmall(TEACHER, ['stages.together.fromTeacher.weight=0']);
  expect(firstLoss(taught.run, 'together')).toBeGreaterThan(2 * firstLoss(untaught.run, 'together'));
});
