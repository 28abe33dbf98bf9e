/** The results of a run as text: a line for each stage, and the margin of each distilled stage. Pure. */

import { present } from '../base/assert.js';
import { formatShare, shownPercent } from '../base/share.js';
import { finishedModel, modelKey, modelLabel, type PeerName, peerNamed, peersOf, spellPeer, trainedPeers } from '../config/peer.js';
import type { Recipe } from '../config/schema.js';
import { stageOrder } from '../config/stage-graph.js';
import { trainsLogits } from '../losses/loss-plan.js';
import type { RunSummary } from '../protocol/parent.js';
import { formatBytes, formatCount, formatDuration, formatTable } from './format-figure.js';
import { describeCalibration, describeTraining } from './loss-text.js';
import { isAlone, isSameTask } from './table/reference.js';

export interface TableOptions {
  /** Facts that must be known beside the accuracy. */
  readonly caveats?: readonly string[];
  /** The width of the terminal; any, when left out. */
  readonly columns?: number | undefined;
}

/** The table of stages, and the lines with caveats, margins, sizes, time and rates under it. */
export function resultTable(recipe: Recipe, summary: RunSummary, { caveats = [], columns }: TableOptions = {}): string {
  const seconds = formatDuration(summary.durationSeconds);
  const images = Object.entries(summary.imagesPerSecond).filter(([, rate]) => rate > 0);
  const rates = images.map(([role, rate]) => `${role} ${formatCount(rate)} images/s`).join(', ');
  return [
    formatTable([['stage', 'model', 'accuracy', 'best', 'parameters', 'size', 'per image'], ...rowsOf(recipe, summary)], columns),
    ...caveats.map((caveat) => `warning: ${caveat}`),
    ...marginsOf(recipe, summary),
    ...agreementsOf(summary),
    ...factsOf(summary),
    ...lossesOf(recipe, summary),
    ...waitsOf(summary),
    ...skippedOf(summary),
    `time: ${seconds} on the engine ${summary.engine || '(none)'}${rates === '' ? '' : `; while busy, per worker: ${rates}`}`,
  ].join('\n');
}

function rowsOf(recipe: Recipe, summary: RunSummary): string[][] {
  return stageOrder(recipe).flatMap((stage) =>
    testedIn(recipe, stage).flatMap(({ name, of }) => {
      const accuracy = summary.accuracy[name];
      if (accuracy === undefined) return [];
      const model = summary.models[modelKey(recipe, of)];
      const best = `${formatShare(accuracy.best)}${accuracy.epoch === 0 ? '' : ` (epoch ${accuracy.epoch})`}`;
      const figures =
        model === undefined
          ? ['', '', '']
          : [formatCount(model.parameters), formatBytes(model.bytes), `${model.millisecondsPerImage.toFixed(3)} ms`];
      return [[name, modelLabel(recipe, of) ?? '', formatShare(accuracy.last), best, ...figures]];
    }),
  );
}

/** The tests that a stage makes: the name of each in the summary, and the model. */
function testedIn(recipe: Recipe, name: string): readonly { readonly name: string; readonly of: PeerName }[] {
  const stage = present(recipe.stages[name], `stage ${name}`);
  const only = 'of' in stage ? finishedModel(stage.of) : stage.kind === 'load' ? peerNamed(name) : null;
  if (only !== null) return [{ name, of: only }];
  return [...peersOf(stage).keys()].map((peer) => ({ name: spellPeer({ stage: name, peer }), of: { stage: name, peer } }));
}

/** For each model that a teacher taught: its margin over the same model trained alone on the same images, and its size against its teacher's. */
function marginsOf(recipe: Recipe, summary: RunSummary): string[] {
  const trained = trainedPeers(recipe).map(({ name, recipe: own }) => ({ name: spellPeer(name), own }));
  const lines: string[] = [];
  for (const { name, own } of trained) {
    const accuracy = summary.accuracy[name]?.last;
    if (own.teacher === undefined || accuracy === undefined) continue;
    for (const { name: other, own: alone } of trained) {
      const reference = summary.accuracy[other]?.last;
      if (reference === undefined || !trainsLogits(own) || !isAlone(alone) || !isSameTask(alone, own)) continue;
      const points = (shownPercent(accuracy) - shownPercent(reference)).toFixed(1);
      const began = own.init === alone.init || own.init === undefined ? '' : ` (${name} began with ${own.init})`;
      lines.push(`margin: ${name} against ${other}, the same model on the same images without a teacher: ${sign(points)} points${began}`);
    }
    const teacher = summary.models[modelKey(recipe, peerNamed(own.teacher))];
    const student = summary.models[own.model];
    if (teacher === undefined || student === undefined || student.parameters === 0 || student.parameters === teacher.parameters) continue;
    const times = teacher.parameters / student.parameters;
    const share = times > 1 ? `1/${times.toFixed(1)} of` : `${(1 / times).toFixed(1)} times`;
    lines.push(`size: ${name} has ${share} the parameters of its teacher`);
  }
  return lines;
}

/** The parts of the losses, and the calibration of the models. */
function factsOf({ training, calibration }: RunSummary): string[] {
  const trainings = Object.entries(training).flatMap(([name, facts]) => {
    const text = describeTraining(facts);
    return text === '' ? [] : [`loss of ${name}: ${text}`];
  });
  return [...trainings, ...Object.entries(calibration).map(([name, own]) => `calibration error of ${name}: ${describeCalibration(own)}`)];
}

/** How often the peers of a stage say the same, each pair once, in the order of the stage. */
function agreementsOf({ agreement }: RunSummary): string[] {
  const names = Object.keys(agreement);
  return names.flatMap((name, i) => {
    const { stage } = peerNamed(name);
    const others = Object.entries(agreement[name] ?? {});
    const later = others.filter(([other]) => names.indexOf(spellPeer({ stage, peer: other })) > i);
    return later.map(
      ([other, share]) =>
        `agreement: ${name} and ${spellPeer({ stage, peer: other })} say the same of ${formatShare(share)} of the test images`,
    );
  });
}

/** The training loss of each peer, a line for each stage that trains several. */
function lossesOf(recipe: Recipe, { trainingLoss }: RunSummary): string[] {
  return stageOrder(recipe).flatMap((stage) => {
    const names = [...peersOf(present(recipe.stages[stage], `stage ${stage}`)).keys()].map((peer) => spellPeer({ stage, peer }));
    const each = names.flatMap((name) => (trainingLoss[name] === undefined ? [] : [`${name} ${trainingLoss[name].toFixed(3)}`]));
    return each.length === 0 ? [] : [`training loss of the last round: ${each.join(', ')}`];
  });
}

/** The cost of lockstep to each peer of the stages that train several. */
function waitsOf({ waited, late }: RunSummary): string[] {
  return Object.entries(waited).map(([name, share]) => {
    const times = late[name] ?? 0;
    const own = times === 0 ? '' : `; its own predictions were late ${formatCount(times)} ${times === 1 ? 'time' : 'times'}`;
    return `lockstep: ${name} waited for the others in ${formatShare(share)} of its time${own}`;
  });
}

/** The images that stages left out. */
function skippedOf({ skipped }: RunSummary): string[] {
  return Object.entries(skipped).map(
    ([stage, samples]) => `left out: ${formatCount(samples)} images of ${stage}, because the steps with them were not finite`,
  );
}

function sign(points: string): string {
  return points.startsWith('-') ? points : `+${points}`;
}
