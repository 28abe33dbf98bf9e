import { describe, expect, test } from 'vitest';
import { formatShare } from '../../../src/base/share.js';
import { formatBytes, formatClasses, formatCount, formatDuration, formatTable } from '../../../src/cli/format-figure.js';
import { resultTable } from '../../../src/cli/result-table.js';
import { parseRecipe } from '../../../src/config/load.js';
import type { StageRecipe } from '../../../src/config/schema.js';
import type { RunSummary } from '../../../src/protocol/parent.js';

const training = { on: 'few', test: 'test', epochs: 1, batch: 8, optimizer: { name: 'adam', rate: 0.01 } };
const recipe = parseRecipe(
  JSON.stringify({
    name: 'demo',
    data: {
      format: 'idx',
      path: 'builtin:fashion-mnist',
      normalise: { mean: [0], std: [1] },
      splits: { all: { part: 'test' }, few: { part: 'test', to: 500 }, test: { part: 'test', from: 8000 } },
    },
    models: { large: { name: 'cnn-teacher' }, small: { name: 'cnn-student' } },
    stages: {
      teacher: { ...training, kind: 'train', on: 'all', model: 'large' },
      alone: { ...training, kind: 'train', model: 'small' },
      elsewhere: { ...training, kind: 'train', on: 'all', model: 'small' },
      student: { ...training, kind: 'distil', teacher: 'teacher', model: 'small', loss: {} },
      again: { kind: 'evaluate', of: 'student', test: 'all' },
      out: { kind: 'export', of: 'student' },
    },
  }),
);

const summary: RunSummary = {
  engine: 'wasm',
  durationSeconds: 125,
  accuracy: {
    teacher: { last: 0.868, best: 0.87, epoch: 7 },
    alone: { last: 0.77, best: 0.771, epoch: 70 },
    elsewhere: { last: 0.8, best: 0.8, epoch: 1 },
    student: { last: 0.804, best: 0.805, epoch: 74 },
    again: { last: 0.81, best: 0.81, epoch: 0 },
  },
  agreement: {},
  waited: {},
  late: {},
  trainingLoss: {},
  testLoss: {},
  calibration: {},
  training: {},
  skipped: {},
  models: {
    large: { parameters: 52138, bytes: 208552, millisecondsPerImage: 0.2 },
    small: { parameters: 4266, bytes: 17064, millisecondsPerImage: 0.05 },
  },
  imagesPerSecond: { teacher: 7187, student: 1710.4 },
  wireBytes: { control: 1, data: 2 },
  commits: 3,
  samplesCommitted: 4,
  restarts: 0,
};

describe('the table of results', () => {
  test('says which epoch was tested where that is not the last', () => {
    const accuracy = { ...summary.accuracy, again: { last: 0.805, best: 0.805, epoch: 74 } };
    expect(resultTable(recipe, { ...summary, accuracy })).toMatch(/again +small +80\.5 % +80\.5 % \(epoch 74\)/);
  });

  test('tells two models from outside apart whose files have the same name, each with its own figures', () => {
    const load = (file: string): StageRecipe => ({ kind: 'load', needs: [], from: { file }, test: 'test' });
    const stages = {
      ...recipe.stages,
      's-teacher': load('/m/big/model.json'),
      't-teacher': load('/m/tiny/model.json'),
    };
    const accuracy = {
      ...summary.accuracy,
      's-teacher': { last: 0.9, best: 0.9, epoch: 0 },
      't-teacher': { last: 0.5, best: 0.5, epoch: 0 },
    };
    const figures = (parameters: number) => ({ parameters, bytes: 4 * parameters, millisecondsPerImage: 1 });
    const models = { ...summary.models, 'stage s-teacher': figures(900), 'stage t-teacher': figures(30) };
    const text = resultTable({ ...recipe, stages }, { ...summary, accuracy, models });
    expect(text).toMatch(/s-teacher +big\/model\.json +90\.0 % +90\.0 % +900 /);
    expect(text).toMatch(/t-teacher +tiny\/model\.json +50\.0 % +50\.0 % +30 /);
  });

  test('has a line per stage with an accuracy, and what distilling was worth', () => {
    expect(resultTable(recipe, summary)).toBe(
      [
        'stage       model   accuracy                best   parameters        size   per image',
        '-------------------------------------------------------------------------------------',
        'teacher     large     86.8 %    87.0 % (epoch 7)       52,138   203.7 KiB    0.200 ms',
        'alone       small     77.0 %   77.1 % (epoch 70)        4,266    16.7 KiB    0.050 ms',
        'elsewhere   small     80.0 %    80.0 % (epoch 1)        4,266    16.7 KiB    0.050 ms',
        'student     small     80.4 %   80.5 % (epoch 74)        4,266    16.7 KiB    0.050 ms',
        'again       small     81.0 %              81.0 %        4,266    16.7 KiB    0.050 ms',
        'margin: student against alone, the same model on the same images without a teacher: +3.4 points',
        'size: student has 1/12.2 of the parameters of its teacher',
        'time: 2:05 on the engine wasm; while busy, per worker: teacher 7,187 images/s, student 1,710 images/s',
      ].join('\n'),
    );
  });

  test('a model with frozen layers is compared with one that froze the same, and with no other', () => {
    const { alone, student } = recipe.stages as Record<string, Extract<StageRecipe, { kind: 'train' | 'distil' }>>;
    const marginsWhere = (freezes: Readonly<Record<'alone' | 'student', object>>) => {
      const stages = { ...recipe.stages, alone: { ...alone!, ...freezes.alone }, student: { ...student!, ...freezes.student } };
      return resultTable({ ...recipe, stages }, summary)
        .split('\n')
        .filter((line) => line.startsWith('margin'));
    };
    const [through, after] = [{ freeze: { through: 'conv1' } }, { freeze: { after: 'conv1' } }];
    expect(marginsWhere({ alone: {}, student: through })).toEqual([]);
    expect(marginsWhere({ alone: after, student: through })).toEqual([]);
    expect(marginsWhere({ alone: through, student: through })).toEqual([expect.stringMatching(/^margin: student against alone, /)]);
  });

  test('the margin is the difference of the accuracies as they are shown', () => {
    const accuracy = {
      alone: { last: 0.7704, best: 0.7704, epoch: 1 },
      student: { last: 0.80351, best: 0.80351, epoch: 1 },
    };
    const text = resultTable(recipe, { ...summary, accuracy });
    expect(text).toMatch(/77\.0 %[\s\S]*80\.4 %[\s\S]*teacher: \+3\.4 points/);
  });

  test('a stage that trains several models has a line for each', () => {
    const peers = { big: {}, little: { model: 'small' } };
    const { stages } = parseRecipe(
      JSON.stringify({ ...recipe, workers: {}, stages: { pair: { ...training, kind: 'mutual', model: 'large', peers } } }),
    );
    const accuracy = { 'pair.big': { last: 0.9, best: 0.9, epoch: 1 }, 'pair.little': { last: 0.8, best: 0.8, epoch: 1 } };
    const agreement = { 'pair.big': { little: 0.85 }, 'pair.little': { big: 0.85 } };
    const text = resultTable(
      { ...recipe, stages },
      {
        ...summary,
        accuracy,
        agreement,
        waited: { 'pair.big': 0.001, 'pair.little': 0.4 },
        late: { 'pair.big': 1 },
        trainingLoss: { 'pair.little': 0.25, 'pair.big': 0.12345 },
        skipped: { pair: 48 },
      },
    );
    expect(text).toContain('agreement: pair.big and pair.little say the same of 85.0 % of the test images');
    expect(text).toContain('\ntraining loss of the last round: pair.big 0.123, pair.little 0.250\n');
    expect(text.match(/agreement:/g)).toHaveLength(1);
    expect(text).toContain('lockstep: pair.big waited for the others in 0.1 % of its time; its own predictions were late 1 time');
    expect(text).toContain('lockstep: pair.little waited for the others in 40.0 % of its time\n');
    expect(text).toContain('left out: 48 images of pair, because the steps with them were not finite');
    expect(text).toMatch(/pair\.big +large +90\.0 %[\s\S]*pair\.little +small +80\.0 %/);
  });

  test('the parts of the losses and the calibration have lines of their own', () => {
    const calibration = { alone: { error: 0.1, temperature: 2, errorAtTemperature: 0.02 } };
    const training = { student: { terms: { labels: { loss: 1, share: 0.25 }, hinton: { loss: 2, share: 0.75 } }, sameAsTeacher: null } };
    const text = resultTable(recipe, { ...summary, calibration, training });
    expect(text).toContain('\nloss of student: labels 1.00 (25.0 % of the gradient), hinton 2.00 (75.0 %)\n');
    expect(text).toContain('\ncalibration error of alone: 10.0 %, 2.0 % at temperature 2.00\n');
  });

  test('the pairs of peers are in the order of the stage', () => {
    const agreement = { 'pair.z': { m: 0.1, a: 0.2 }, 'pair.m': { z: 0.1, a: 0.3 }, 'pair.a': { z: 0.2, m: 0.3 } };
    const lines = resultTable(recipe, { ...summary, agreement }).match(/agreement: .* say/g);
    expect(lines).toEqual(['pair.z and pair.m', 'pair.z and pair.a', 'pair.m and pair.a'].map((pair) => `agreement: ${pair} say`));
  });

  test('of a run that was stopped early has what there is', () => {
    const text = resultTable(recipe, { ...summary, engine: '', accuracy: {}, models: {}, imagesPerSecond: {} });
    expect(text.split('\n').at(-1)).toBe('time: 2:05 on the engine (none)');
    expect(text).not.toMatch(/margin|size:/);
  });
});

test('numbers as people read them', () => {
  expect([0, 42, 60, 3725, 86_400].map(formatDuration)).toEqual(['0:00', '0:42', '1:00', '1:02:05', '24:00:00']);
  expect([0, 1023, 1024, 17064, 3 * 1024 ** 3].map(formatBytes)).toEqual(['0 B', '1023 B', '1.0 KiB', '16.7 KiB', '3.0 GiB']);
  expect([formatShare(0.8684), formatCount(1234567.6)]).toEqual(['86.8 %', '1,234,568']);
});

test('a table that is too wide becomes several, each with the first column', () => {
  const rows = [
    ['stage', 'accuracy', 'size'],
    ['together.large', '87.8 %', '203.7 KiB'],
  ];
  expect(formatTable(rows, 80).split('\n')).toHaveLength(3);
  expect(formatTable(rows, 30)).toBe(
    [
      'stage            accuracy',
      '-------------------------',
      'together.large     87.8 %',
      '',
      'stage                 size',
      '--------------------------',
      'together.large   203.7 KiB',
    ].join('\n'),
  );
  const narrow = resultTable(recipe, summary, { columns: 80 });
  expect(
    Math.max(
      ...narrow
        .split('\n')
        .slice(0, 15)
        .map((line) => line.length),
    ),
  ).toBeLessThanOrEqual(80);
});

test('what must be known beside the accuracy is under the table', () => {
  expect(resultTable(recipe, summary, { caveats: ['student: it was trained on its test images'] })).toContain(
    '\nwarning: student: it was trained on its test images\n',
  );
});

test('samples of classes', () => {
  expect(formatClasses([1000, 1000])).toBe('1,000 of each of 2 classes');
  expect(formatClasses([3, 0, 20])).toBe('0 to 20 of each of 3 classes');
});
