/** The results of a run as text: a line for each stage, and the margin of each distilled stage. Pure. */

import type { Recipe, TrainingStage } from '../config/schema.js';
import { stageOrder } from '../config/stage-graph.js';
import { isTaughtStage, isTrainingStage } from '../config/stage-kinds.js';
import type { RunSummary } from '../protocol/parent.js';
import { formatBytes, formatCount, formatDuration, formatShare, formatTable, shownPercent } from './format-figure.js';

/** The table of stages, and the lines with margins, sizes, time and rates under it. */
export function resultTable(recipe: Recipe, summary: RunSummary): string {
  const seconds = formatDuration(summary.durationSeconds);
  const images = Object.entries(summary.imagesPerSecond).filter(([, rate]) => rate > 0);
  const rates = images.map(([role, rate]) => `${role} ${formatCount(rate)} images/s`).join(', ');
  return [
    formatTable([['stage', 'model', 'accuracy', 'best', 'parameters', 'size', 'per image'], ...rowsOf(recipe, summary)]),
    ...marginsOf(recipe, summary),
    `time: ${seconds} on the engine ${summary.engine || '(none)'}${rates === '' ? '' : `; while busy, per worker: ${rates}`}`,
  ].join('\n');
}

function rowsOf(recipe: Recipe, summary: RunSummary): string[][] {
  return stageOrder(recipe).flatMap((name) => {
    const accuracy = summary.accuracy[name];
    if (accuracy === undefined) return [];
    const modelName = modelOf(recipe, name);
    const model = modelName === null ? undefined : summary.models[modelName];
    const best = `${formatShare(accuracy.best)} (epoch ${accuracy.epoch})`;
    const figures =
      model === undefined
        ? ['', '', '']
        : [formatCount(model.parameters), formatBytes(model.bytes), `${model.millisecondsPerImage.toFixed(3)} ms`];
    return [[name, modelName ?? '', formatShare(accuracy.last), best, ...figures]];
  });
}

/** The name of the model that a stage trains or evaluates; null when there is none. */
function modelOf(recipe: Recipe, name: string): string | null {
  const stage = recipe.stages[name];
  if (stage === undefined) return null;
  return 'model' in stage ? stage.model : modelOf(recipe, stage.of);
}

/** For each distilled stage: its margin over the same model trained alone on the same images, and its size against its teacher's. */
function marginsOf(recipe: Recipe, summary: RunSummary): string[] {
  const stages = Object.entries(recipe.stages);
  const lines: string[] = [];
  for (const [name, student] of stages) {
    const accuracy = summary.accuracy[name]?.last;
    if (!isTaughtStage(student) || accuracy === undefined) continue;
    for (const [other, alone] of stages) {
      const reference = summary.accuracy[other]?.last;
      if (!isTrainingStage(alone) || isTaughtStage(alone) || reference === undefined || !isComparable(student, alone)) continue;
      const points = (shownPercent(accuracy) - shownPercent(reference)).toFixed(1);
      lines.push(`margin: ${name} against ${other}, the same model on the same images without a teacher: ${sign(points)} points`);
    }
    const teacher = summary.models[modelOf(recipe, student.teacher) ?? ''];
    const own = summary.models[student.model];
    if (teacher === undefined || own === undefined || own.parameters === 0) continue;
    lines.push(`size: ${name} has 1/${(teacher.parameters / own.parameters).toFixed(1)} of the parameters of its teacher`);
  }
  return lines;
}

function isComparable(a: TrainingStage, b: TrainingStage): boolean {
  return a.model === b.model && a.on === b.on && a.test === b.test;
}

function sign(points: string): string {
  return points.startsWith('-') ? points : `+${points}`;
}
