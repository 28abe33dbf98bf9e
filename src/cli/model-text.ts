/** The description of a model as text. Pure. */

import type { LayerSummary, OutputShape } from '../nn/model-summary.js';
import type { ModelDescription } from '../recipe/description/describe-model.js';
import { formatCount, formatTable } from './format-figure.js';

/** The width of the text. */
const COLUMNS = 80;
/** The mark of a layer that is good to tap. */
const MARK = ' *';

/** A row for each layer, then the totals and the layers to tap. */
export function modelText({ layers, parameters, trainable, cost, taps, inputShape, classes }: ModelDescription): string {
  const marked = [...taps.maps, ...(taps.beforeClassifier === null ? [] : [taps.beforeClassifier])];
  const rows = layers.map((layer) => rowOf(layer, marked.includes(layer.name)));
  const unknown = layers.filter((layer) => layer.cost === null);
  const shapes = new Map(layers.map(({ name, shape }) => [name, spellShape(shape)]));
  const tapLine = (name: string, what: string) => `  ${name} (${shapes.get(name)}${what})`;
  return [
    formatTable([['layer', 'kind', 'output', 'parameters', 'FLOPs'], ...rows], COLUMNS),
    `images ${spellShape(inputShape)}, classes ${classes ?? '?'}`,
    `parameters: ${formatCount(parameters)}, of which ${formatCount(trainable)} are trainable`,
    `for one image: ${formatLarge(cost.multiplyAdds)} multiply-adds of convolutions and dense layers;`,
    `  ${formatLarge(cost.flops)} FLOPs, two for each multiply-add, one for each other operation`,
    ...(unknown.length === 0 ? [] : [`  without ${unknown.length} layers whose cost is not known: ${kindsOf(unknown)}`]),
    marked.length === 0 ? 'no layer is good to tap: every path has branches' : `good to tap (${MARK.trim()}), by these names in a recipe:`,
    ...taps.maps.map((name) => tapLine(name, ', the last of its size')),
    ...(taps.beforeClassifier === null ? [] : [tapLine(taps.beforeClassifier, ', before the classifier')]),
  ].join('\n');
}

function rowOf({ name, label, shape, parameters, cost }: LayerSummary, isMarked: boolean): readonly string[] {
  const flops = cost === null ? 'unknown' : formatLarge(cost.flops);
  return [`${name}${isMarked ? MARK : ''}`, label, shape === null ? 'several' : spellShape(shape), formatCount(parameters), flops];
}

function kindsOf(layers: readonly LayerSummary[]): string {
  return [...new Set(layers.map(({ kind }) => kind))].join(', ');
}

/** [28, 28, 1] as "28x28x1"; an axis that is not fixed is "?". */
export function spellShape(shape: OutputShape | null): string {
  return (shape ?? []).map((axis) => axis ?? '?').join('x');
}

const UNITS = [
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
] as const;

/** 40551424 as "40.55 M". */
export function formatLarge(count: number): string {
  const unit = UNITS.find(([size]) => count >= size);
  return unit === undefined ? String(count) : `${(count / unit[0]).toFixed(2)} ${unit[1]}`;
}
