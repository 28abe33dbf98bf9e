/** The loss of a stage: the labels and every term by its weight, the short form and the long one, users' modules. */

import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, parse } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
// tfjs-core alone knows no gradients: this registers them.
import '@tensorflow/tfjs-layers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { present } from '../../../src/base/assert.js';
import type { PeerRecipe } from '../../../src/config/schema.js';
import type { TapShapes } from '../../../src/losses/loss-declaration.js';
import { knobsOfLoss, loadStageLoss, type StageLoss } from '../../../src/losses/stage-loss.js';
import { packageFolder } from '../../../src/process/package-folder.js';
import { describeEachEngine } from '../../support/each-engine.js';

type LossStage = Pick<PeerRecipe, 'loss'>;
const LOGITS_ONLY = [{ of: 'logits' }];

const distil = (loss: object): LossStage => ({ loss: loss as PeerRecipe['loss'] });
const train = (loss: object): LossStage => ({ loss: loss as PeerRecipe['loss'] });
const terms = (...list: readonly object[]) => distil({ labels: { weight: 1, smoothing: 0 }, terms: list });
const HOT = { loss: 'hinton', weight: 0.7, temperature: 4 };
const PLAIN = distil({ temperature: 4, alpha: 0.7, labelSmoothing: 0 });

const MAPS: Readonly<Record<string, readonly number[]>> = { own: [4, 4, 2], teacher: [2, 2, 3] };
const shapeOf = (layer: string) => MAPS[layer] ?? fail(layer);
const SHAPES = (): TapShapes => ({ student: shapeOf, other: shapeOf });
function fail(layer: string): never {
  throw new Error(`no layer ${layer}`);
}

// The sums below are the papers' formulas in Python's float64, for these logits.
const LOGITS = [
  [1.5, -0.5, 0.25, 2],
  [-1, 0.75, 3.5, -2.25],
  [0.125, 0.5, -0.875, 1.25],
];
const LABELS = [3, 2, 0];
const TEACHER = [
  [0.5, -1.25, 1, 4],
  [0, 2.5, 3, -1],
  [2.75, -0.5, 0.25, 0.75],
];

/** The mean of a loss over logits alone, its parts, and the gradient by the logits. */
function meanOf(
  loss: StageLoss,
  epoch = 0,
  others: readonly number[][][] = [TEACHER],
  answered?: readonly boolean[],
): { mean: number; parts: Record<string, number>; gradient: number[] } {
  return tf.tidy(() => {
    const values = knobsOfLoss(loss, { epoch, epochs: 10 }, answered);
    const knobs = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, tf.scalar(value)]));
    const labels = { class_B: tf.tensor1d(LABELS, 'int32'), mixed: null };
    const other = others
      .slice(
        0,
        loss.sides.reduce((sum, { count }) => sum + count, 0),
      )
      .map((logits) => tf.tensor2d(logits));
    const call = (logits: tf.Tensor) => loss.sum({ labels, student: [logits], other, adapters: [] }, knobs);
    const { mean, terms: parts } = call(tf.tensor2d(LOGITS));
    const gradient = tf.grad((logits) => call(logits).mean)(tf.tensor2d(LOGITS));
    return {
      mean: mean.dataSync()[0] as number,
      parts: Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, part.dataSync()[0] as number])),
      gradient: [...gradient.dataSync()],
    };
  });
}

const SECOND = [
  [-1, 0.5, 2, 0.25],
  [3, -0.75, 1, 0],
  [0, 0, 1.5, -2],
];

const softmax = (z: readonly number[]) => {
  const powers = z.map(Math.exp);
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
};

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'user losses '));
});
afterAll(() => rm(folder, { recursive: true }));

let modules = 0;
/** A module of its own each time: Node imports a file once. */
async function moduleWith(text: string): Promise<string> {
  const file = join(folder, `loss-${modules++}.mjs`);
  await writeFile(file, text);
  return file;
}

describeEachEngine(() => {
  describe('the short form', () => {
    test.each([
      ['alpha weights the soft term, the labels have the rest', PLAIN, 2.425543555],
      ['with smoothed labels', distil({ temperature: 4, alpha: 0.7, labelSmoothing: 0.1 }), 2.554918555],
      ['alpha 0 is cross-entropy', distil({ temperature: 4, alpha: 0, labelSmoothing: 0 }), 2.472647147],
      ['alpha 1 is the soft term', distil({ temperature: 4, alpha: 1, labelSmoothing: 0 }), 2.405356301],
      ['the temperature is that of the recipe', distil({ temperature: 1, alpha: 1, labelSmoothing: 0 }), 1.825130952],
      ['train', train({ labelSmoothing: 0 }), 2.472647147],
      ['train with smoothed labels', train({ labelSmoothing: 0.1 }), 2.903897147],
    ] as const)('%s', async (_, stage, sum) => {
      expect(meanOf(await loadStageLoss(stage, SHAPES)).mean).toBeCloseTo(sum / 3, 5);
    });

    test('equals the long form, in value, parts and gradient', async () => {
      const long = distil({ labels: { weight: 1 - 0.7, smoothing: 0 }, terms: [{ loss: 'hinton', weight: 0.7, temperature: 4 }] });
      const [short, spelt] = [meanOf(await loadStageLoss(PLAIN, SHAPES)), meanOf(await loadStageLoss(long, SHAPES))];
      expect(spelt).toEqual(short);
      expect(Object.keys(short.parts)).toEqual(['labels', 'hinton']);
    });

    test('asks for the logits of both sides; a train stage asks nobody', async () => {
      const [distilled, trained] = [await loadStageLoss(PLAIN, SHAPES), await loadStageLoss(train({ labelSmoothing: 0 }), SHAPES)];
      expect([distilled.student, distilled.sides]).toEqual([LOGITS_ONLY, [{ from: 'teacher', specs: LOGITS_ONLY, count: 1 }]]);
      expect([trained.student, trained.sides]).toEqual([LOGITS_ONLY, []]);
    });
  });

  describe('several others', () => {
    const mutual = { loss: { target: 'mean', temperature: 1, weight: 0.5, labelSmoothing: 0 }, others: ['a', 'b'] } as const;

    test('deep mutual learning: CE + w mean of KL(p_j, p) over the other peers, its gradient p - mean p_j', async () => {
      const loss = await loadStageLoss(mutual, SHAPES);
      expect(loss.sides).toEqual([{ from: 'peers', specs: LOGITS_ONLY, count: 2 }]);
      const own = LOGITS.map(softmax);
      const others = [TEACHER, SECOND].map((logits) => logits.map(softmax));
      const divergence = (p: readonly number[], q: readonly number[]) =>
        p.reduce((sum, value, k) => sum + value * Math.log(value / q[k]!), 0);
      let sum = 0;
      const gradient: number[] = [];
      for (const [b, q] of own.entries()) {
        sum -= Math.log(q[LABELS[b]!]!);
        for (const p of others) sum += (0.5 / 2) * divergence(p[b]!, q);
        for (const [k, value] of q.entries()) {
          const mean = (others[0]![b]![k]! + others[1]![b]![k]!) / 2;
          gradient.push((value - (k === LABELS[b] ? 1 : 0) + 0.5 * (value - mean)) / 3);
        }
      }
      const found = meanOf(loss, 0, [TEACHER, SECOND]);
      expect(found.mean).toBeCloseTo(sum / 3, 5);
      for (const [i, value] of found.gradient.entries()) expect(value).toBeCloseTo(gradient[i]!, 6);
    });

    test('with a teacher too: the terms of both sides, each from its own models', async () => {
      const taught = { ...mutual, fromTeacher: { temperature: 4, weight: 0.7 } } as const;
      const loss = await loadStageLoss(taught, SHAPES);
      expect(loss.sides).toEqual([
        { from: 'teacher', specs: LOGITS_ONLY, count: 1 },
        { from: 'peers', specs: LOGITS_ONLY, count: 2 },
      ]);
      const both = meanOf(loss, 0, [TEACHER, SECOND, LOGITS]);
      const peers = meanOf(await loadStageLoss(mutual, SHAPES), 0, [SECOND, LOGITS]);
      const teacher = meanOf(await loadStageLoss(distil({ labels: { weight: 0, smoothing: 0 }, terms: [HOT] }), SHAPES));
      expect(Object.keys(both.parts)).toEqual(['labels', 'hinton', 'hinton-2']);
      expect(both.mean).toBeCloseTo(peers.mean + teacher.mean, 5);
      both.gradient.forEach((value, i) => {
        expect(value).toBeCloseTo(peers.gradient[i]! + teacher.gradient[i]!, 6);
      });
      const spelt = { ...mutual, loss: { labels: { weight: 1, smoothing: 0 }, terms: [{ ...HOT, from: 'teacher' as const }] } };
      expect(meanOf(await loadStageLoss(spelt, SHAPES)).parts.hinton).toBeCloseTo(both.parts['hinton-2']!, 6);
    });

    test('that are late: the mean is over those that have answered, and 0 where none has', async () => {
      const loss = await loadStageLoss({ ...mutual, onLate: 'renormalise' }, SHAPES);
      const alone = await loadStageLoss({ ...mutual, others: ['a'] }, SHAPES);
      const anything = LOGITS.map((row) => row.map(() => 7));
      const cases = [
        [[true, true], [TEACHER, SECOND], meanOf(await loadStageLoss(mutual, SHAPES), 0, [TEACHER, SECOND])],
        [[true, false], [TEACHER, anything], meanOf(alone, 0, [TEACHER])],
        [[false, true], [anything, SECOND], meanOf(alone, 0, [SECOND])],
        [[false, false], [anything, anything], meanOf(await loadStageLoss(train({ labelSmoothing: 0 }), SHAPES))],
      ] as const;
      for (const [answered, others, expected] of cases) {
        const found = meanOf(loss, 0, others, answered);
        expect(found.mean).toBeCloseTo(expected.mean, 6);
        found.gradient.forEach((value, i) => {
          expect(value).toBeCloseTo(expected.gradient[i]!, 6);
        });
      }
    });

    test('with a temperature T the term has T squared; two others that say the same are one', async () => {
      const hot = { ...mutual, loss: { ...mutual.loss, temperature: 4 } };
      const one = meanOf(await loadStageLoss({ ...hot, others: ['a'] }, SHAPES));
      const two = meanOf(await loadStageLoss(hot, SHAPES), 0, [TEACHER, TEACHER]);
      expect(two.mean).toBeCloseTo(one.mean, 5);
      // The soft term at T = 4 of the short form above, times 3 samples.
      expect(one.parts.hinton).toBeCloseTo(2.405356301 / 3, 5);
    });
  });

  describe('terms', () => {
    test('each adds its mean by its weight, which may change over the stage', async () => {
      const hinton = { loss: 'hinton', weight: { schedule: 'linear', from: 0, to: 2, epochs: 4 }, temperature: 4 };
      const loss = await loadStageLoss(terms(hinton, { ...hinton, weight: 0.5, temperature: 1 }), SHAPES);
      const [labels, first, second] = [2.472647147 / 3, 2.405356301 / 3, 1.825130952 / 3];
      expect(meanOf(loss, 0).mean).toBeCloseTo(labels + 0.5 * second, 5);
      expect(meanOf(loss, 1).mean).toBeCloseTo(labels + 0.5 * first + 0.5 * second, 5);
      expect(meanOf(loss, 8).mean).toBeCloseTo(labels + 2 * first + 0.5 * second, 5);
      expect(meanOf(loss, 8).parts).toEqual({
        labels: expect.closeTo(labels, 5),
        hinton: expect.closeTo(first, 5),
        'hinton-2': expect.closeTo(second, 5),
      });
    });

    test('labels of weight 0 are not computed', async () => {
      const loss = await loadStageLoss(distil({ labels: { weight: 0, smoothing: 0 }, terms: [{ loss: 'hinton', weight: 1 }] }), SHAPES);
      expect(Object.keys(meanOf(loss).parts)).toEqual(['hinton']);
    });

    test('ask for each tensor once, whoever needs it', async () => {
      const tap = { loss: 'attention-transfer', taps: [['own', 'teacher']] };
      const loss = await loadStageLoss(terms({ loss: 'dkd' }, { loss: 'hinton' }, tap, { ...tap, weight: 5 }), SHAPES);
      const reduce = { name: 'attention', options: { p: 2, height: 2, width: 2 } };
      expect(loss.student).toEqual([{ of: 'logits' }, { of: 'tap', layer: 'own', reduce }]);
      expect(loss.sides.map(({ specs }) => specs)).toEqual([[{ of: 'logits' }, { of: 'tap', layer: 'teacher', reduce }]]);
    });

    test.each([
      [{ loss: 'hintn' }, /there is no loss "hintn" in the package; did you mean "hinton"\?/],
      [{ loss: 'hinton', temperature: -1 }, /the term hinton: temperature must be more than 0, not -1/],
      [{ loss: 'attention-transfer', taps: [['own', 'nowhere']] }, /no layer nowhere/],
    ])('%j is refused by the engine too', async (term, message) => {
      await expect(loadStageLoss(terms(term), SHAPES)).rejects.toThrow(message);
    });
  });

  describe("a user's module", () => {
    const readme = readFileSync(join(packageFolder, 'src/losses/README.md'), 'utf8');
    const example = present(/```js\n([\s\S]*?)```/.exec(readme)?.[1], 'the module of the README');

    test('computes what the same loss of the package computes: the one of the README', async () => {
      const file = await moduleWith(example);
      const own = meanOf(await loadStageLoss(terms({ module: file, weight: 0.7 }), SHAPES));
      const packaged = meanOf(await loadStageLoss(terms({ loss: 'hinton', weight: 0.7 }), SHAPES));
      expect(own.mean).toBeCloseTo(packaged.mean, 5);
      expect(own.parts[parse(file).name]).toBeCloseTo(packaged.parts.hinton as number, 5);
      own.gradient.forEach((value, i) => {
        expect(value).toBeCloseTo(packaged.gradient[i] as number, 5);
      });
    });

    test('may ask for taps as they are, for reductions and for adapters', async () => {
      const plain = await moduleWith('export const declaration = { takesTaps: true }; export function sum() {}');
      const tapped = await loadStageLoss(terms({ module: plain, taps: [['own', 'teacher']] }), SHAPES);
      expect(tapped.student).toEqual([{ of: 'logits' }, { of: 'tap', layer: 'own', reduce: null }]);
      expect(tapped.sides.map(({ specs }) => specs)).toEqual([[{ of: 'tap', layer: 'teacher', reduce: null }]]);
      const asking = await moduleWith(`
        export const declaration = {
          takesTaps: true,
          needs: ({ taps: [[layer]] }, shapes) => ({
            student: [{ of: 'tap', layer, reduce: { name: 'attention', options: { p: 1, height: 1, width: 1 } } }],
            adapters: [{ name: 'scale', shape: shapes.student(layer), initial: 1 }],
          }),
        };
        export function sum() {}`);
      const adapted = await loadStageLoss(terms({ module: asking, taps: [['own', 'teacher']] }), SHAPES);
      expect(adapted.adapters).toEqual([{ name: `${parse(asking).name}.scale`, shape: [4, 4, 2], initial: 1, decays: true }]);
      expect(adapted.sides).toEqual([]);
    });

    test('may ask for the similarities of the other side, but not where its batch is gathered', async () => {
      const asking = await moduleWith(`
        export const declaration = {
          takesTaps: true,
          over: 'batch',
          needs: ({ taps: [[own, layer]] }) => ({
            student: [{ of: 'tap', layer: own, reduce: null }],
            other: [{ of: 'similarity', layer }],
          }),
        };
        export function sum() {}`);
      const term = { module: asking, taps: [['own', 'teacher']] };
      const loss = await loadStageLoss(terms(term), SHAPES);
      expect(loss.sides.map(({ specs }) => specs)).toEqual([[{ of: 'similarity', layer: 'teacher' }]]);
      await expect(loadStageLoss(terms({ ...term, batch: 'gathered' }), SHAPES)).rejects.toThrow(
        /takes similarities of the other side, which are those of one student's batch, and not gathered\. Where settings\.isGathered is true/,
      );
    });

    const wrong: readonly (readonly [string, string, RegExp])[] = [
      ['throws', 'throw new Error("no luck");', /sum failed: no luck\. inputs\.student was \[\d+, \d+\]; inputs\.other was \[/],
      [
        'adds tensors that do not fit',
        'return tf.core.add(tf.core.ones([2]), tf.core.ones([3]));',
        /sum failed: .*shapes.*[^.]\. inputs\.student was \[/s,
      ],
      ['calls what is not there', 'return tf.square(inputs.student[0]);', /tf\.square is not a function\. 'tf' has two parts/],
      ['reads what is not there', 'return inputs.teacher[0];', /sum failed: Cannot read .*\. sum\(inputs, knobs, tf\): inputs has student/],
      ['returns nothing', '', /sum returned undefined, without a tensor 'sum'\. Return \{ sum, count \}/],
      ['returns a tensor', 'return tf.core.scalar(1);', /sum returned a tensor, without a tensor 'sum'/],
      ['returns a vector', 'return { sum: tf.core.ones([3]), count: 3 };', /a tensor of shape \[3\] and type float32, not one number/],
      ['returns a whole number', 'return { sum: tf.core.scalar(3, "int32"), count: 3 };', /of shape \[\] and type int32/],
      ['forgets the count', 'return { sum: tf.core.scalar(3) };', /sum returned the count undefined, not a number above 0/],
      ['is asynchronous', 'return Promise.resolve(1);', /sum is asynchronous\. Write it without async/],
    ];
    test.each(wrong)('whose sum %s is refused, with the file and a hint', async (_, body, message) => {
      const file = await moduleWith(`export const declaration = {}; export function sum(inputs, knobs, tf) { ${body} }`);
      const loss = await loadStageLoss(terms({ module: file }), SHAPES);
      expect(() => meanOf(loss)).toThrow(message);
      expect(() => meanOf(loss)).toThrow(expect.objectContaining({ code: 'loss.invalid', details: expect.objectContaining({ file }) }));
    });

    const needs: readonly (readonly [string, string, RegExp])[] = [
      ['throws', '() => { throw new Error("no luck"); }', /declaration\.needs failed: no luck/],
      ['returns nothing', '() => {}', /needs\(\) must be a map, not nothing.*\. needs\(settings, shapes\) returns/],
      ['asks for nothing', '() => ({ student: [] })', /needs\(\)\.student must have at least 1 entry, not 0/],
      [
        'misspells a spec',
        '() => ({ student: [{ of: "logit" }] })',
        /student\[0\]\.of must be one of logits, input-gradient, tap, flow, not "logit"; did you mean "logits"\?/,
      ],
      [
        'asks for similarities of the student',
        '() => ({ student: [{ of: "similarity", layer: "own" }] })',
        /student\[0\]\.of must be one of logits, input-gradient, tap, flow, not "similarity"/,
      ],
      [
        'names an adapter twice',
        '() => ({ student: [{ of: "logits" }], adapters: [1, 2].map(() => ({ name: "a", shape: [1], initial: 0 })) })',
        /two adapters one name: a, a/,
      ],
    ];
    test.each(needs)('whose needs %s is refused', async (_, text, message) => {
      const file = await moduleWith(`export const declaration = { needs: ${text} }; export function sum() {}`);
      await expect(loadStageLoss(terms({ module: file }), SHAPES)).rejects.toThrow(message);
    });

    test('that asks for another side without saying so is refused', async () => {
      const both = '({ student: [{ of: "logits" }], other: [{ of: "logits" }] })';
      const file = await moduleWith(`export const declaration = { takesOther: false, needs: () => ${both} }; export function sum() {}`);
      await expect(loadStageLoss(terms({ module: file }), SHAPES)).rejects.toThrow(/and declaration\.takesOther is false/);
    });
  });
});
