import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { explainRecipe } from '../../../src/config/explain.js';
import { parseRecipe, recipeJson } from '../../../src/config/load.js';
import { STAGE_KINDS } from '../../../src/config/stage-kinds.js';
import { FORMATS } from '../../../src/data/catalogue.js';
import { StillhouseError } from '../../../src/errors/stillhouse-error.js';
import { loadRecipe } from '../../../src/recipe/load-recipe.js';

const VALID = `name: small
data:
  format: idx
  path: photographs
  normalise: { mean: [0.286], std: [0.353] }
  splits:
    train: { part: test, to: 8000 }
    test: { part: test, from: 8000 }
models:
  teacher: { name: cnn-teacher }
  own: { module: model.mjs }
stages:
  teacher:
    kind: train
    model: teacher
    on: train
    test: test
    epochs: 3
    batch: 64
    optimizer: { name: sgd, rate: 0.03, momentum: 0.9 }
    schedule: { name: cosine }
  student:
    kind: distil
    teacher: teacher
    model: own
    on: train
    test: test
    epochs: 4
    batch: 64
    optimizer: { name: adam, rate: 0.003 }
    loss: { temperature: 4, alpha: { schedule: linear, from: 0.9, to: 0.5 } }
  out: { kind: export, of: student }
`;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'recipe folder '));
});
afterAll(() => rm(folder, { recursive: true }));

async function write(text: string | Uint8Array): Promise<string> {
  const file = join(folder, 'recipe.yaml');
  await writeFile(file, text);
  return file;
}

/** The error's message without the folder, and its place. */
async function failure(text: string | Uint8Array, set?: readonly string[]): Promise<{ code: string; message: string; place: string }> {
  const file = await write(text);
  try {
    await loadRecipe(file, set === undefined ? {} : { set });
  } catch (error) {
    if (!(error instanceof StillhouseError)) throw error;
    expect(error.exitCode).toBe(2);
    const { line, column } = error.details;
    return { code: error.code, message: error.message.replaceAll(`${folder}/`, ''), place: `${line}:${column}` };
  }
  throw new Error('the recipe was accepted');
}

function edited(from: string, to: string): string {
  expect(VALID).toContain(from);
  return VALID.replace(from, to);
}

describe('a valid recipe', () => {
  test('gets its defaults and absolute paths', async () => {
    const recipe = await loadRecipe(await write(VALID));
    expect(recipe.seed).toBe(1);
    expect(recipe.data.path).toBe(join(folder, 'photographs'));
    expect(recipe.models.own?.module).toBe(join(folder, 'model.mjs'));
    expect(recipe.workers).toEqual({ students: 1, teachers: 1, threads: 'auto', engine: 'auto', restarts: 3 });
    expect(recipe.engine).toEqual({ trace: 'auto', precision: 'fp32' });
    expect(recipe.stages.teacher).toMatchObject({ every: 8, schedule: { name: 'cosine', final: 0, warmupEpochs: 0 } });
  });

  test('survives being explained and loaded again, and the way to a worker', async () => {
    const recipe = await loadRecipe(await write(VALID), { set: ['workers.students=2', 'data.path=builtin:fashion-mnist'] });
    expect(await loadRecipe(await write(explainRecipe(recipe)))).toEqual(recipe);
    expect(parseRecipe(recipeJson(recipe))).toEqual(recipe);
  });

  test('may name its workers one by one', async () => {
    const workers = { students: [{ threads: 2 }, {}], teachers: [], threads: 3, engine: 'wasm', restarts: 0 };
    const recipe = await loadRecipe(await write(`${VALID.slice(0, VALID.indexOf('  student:'))}workers: ${JSON.stringify(workers)}\n`));
    expect(recipe.workers).toEqual({ ...workers, students: [{ device: 'cpu', threads: 2 }, { device: 'cpu' }] });
    expect(await loadRecipe(await write(explainRecipe(recipe)))).toEqual(recipe);
    expect(parseRecipe(recipeJson(recipe))).toEqual(recipe);
  });

  test('may ask for bf16 of tensorflow, and of whatever auto takes', async () => {
    for (const workers of ['', 'workers: { engine: tensorflow }\n']) {
      const recipe = await loadRecipe(await write(`${VALID}engine: { precision: bf16 }\n${workers}`));
      expect(recipe.engine).toEqual({ trace: 'auto', precision: 'bf16' });
    }
  });

  test('may share values by anchors, and an override changes one place only', async () => {
    const text = edited('{ name: sgd, rate: 0.03, momentum: 0.9 }', '&opt { name: sgd, rate: 0.03 }').replace(
      '{ name: adam, rate: 0.003 }',
      '*opt',
    );
    const recipe = await loadRecipe(await write(text), { set: ['stages.student.optimizer.rate=0.5'] });
    expect(recipe.stages).toMatchObject({ teacher: { optimizer: { rate: 0.03 } }, student: { optimizer: { rate: 0.5 } } });
  });
});

describe('what is wrong is named with its place and the nearest valid name', () => {
  const cases: readonly (readonly [string, string, string, RegExp])[] = [
    ['unknown key at the top', edited('name: small', 'nme: small'), '1:1', /unknown key "nme"; did you mean "name"\?/],
    [
      'unknown key of a stage',
      edited('    epochs: 3', '    epoch: 3'),
      '18:5',
      /unknown key "epoch" in stages\.teacher; did you mean "epochs"\?/,
    ],
    [
      'unknown key of one optimiser',
      edited('{ name: adam,', '{ name: adam, momentum: 0.9,'),
      '30:30',
      /"momentum" in stages\.student\.optimizer; there is: name, rate, beta1/,
    ],
    ['missing key', edited('    epochs: 3\n', ''), '13:3', /stages\.teacher needs the key "epochs"/],
    ['number that is text', edited('epochs: 3', 'epochs: three'), '18:13', /stages\.teacher\.epochs must be a number, not "three"/],
    ['part of an epoch', edited('epochs: 3', 'epochs: 3.5'), '18:13', /stages\.teacher\.epochs must be a whole number, not 3\.5/],
    ['not a number', edited('epochs: 3', 'epochs: .nan'), '18:13', /stages\.teacher\.epochs must be a number, not NaN/],
    ['too small', edited('batch: 64', 'batch: 0'), '19:12', /stages\.teacher\.batch must be at least 1, not 0/],
    ['global batch', edited('batch: 64', 'batch: { global: 0 }'), '19:22', /stages\.teacher\.batch\.global must be at least 1, not 0/],
    ['global batch', edited('batch: 64', 'batch: { globl: 8 }'), '19:14', /"globl" in stages\.teacher\.batch; did you mean "global"\?/],
    ['no batch', edited('batch: 64', 'batch: many'), '19:12', /stages\.teacher\.batch must be a number or a map, not "many"/],
    ['part of an image', edited('batch: 64', 'batch: 6.5'), '19:12', /stages\.teacher\.batch must be a whole number or a map, not 6\.5/],
    ['too large', edited('batch: 64', 'batch: 5000'), '19:12', /stages\.teacher\.batch must be at most 4096, not 5000/],
    ['too large', edited('momentum: 0.9', 'momentum: 1'), '20:51', /momentum must be less than 1, not 1/],
    [
      'kind of stage',
      edited('kind: distil', 'kind: distill'),
      '23:11',
      new RegExp(`stages\\.student\\.kind must be one of ${Object.keys(STAGE_KINDS).join(', ')}, not "distill"; did you mean "distil"\\?`),
    ],
    ['kind left out', edited('    kind: distil\n', ''), '22:3', /stages\.student needs the key "kind"/],
    ['schedule', edited('name: cosine', 'name: cosin'), '21:23', /did you mean "cosine"\?/],
    [
      'schedule of a knob',
      edited('schedule: linear', 'schedule: lineer'),
      '31:48',
      /loss\.alpha\.schedule must be one of .* did you mean "linear"\?/,
    ],
    ['knob of a wrong type', edited('temperature: 4', 'temperature: hot'), '31:26', /temperature must be a number or a map, not "hot"/],
    [
      'format',
      edited('format: idx', 'format: cifar'),
      '3:11',
      new RegExp(`data\\.format must be one of ${[...FORMATS.keys()].join(', ')}, not "cifar"; did you mean "cifar10"\\?`),
    ],
    ['format of an inherited name', edited('format: idx', 'format: constructor'), '3:11', /must be one of idx, .*, not "constructor"$/],
    ['format that is a number', edited('format: idx', 'format: 10'), '3:11', /data\.format must be text, not 10/],
    ['format left out', edited('  format: idx\n', ''), '2:1', /data needs the key "format"/],
    [
      'part',
      edited('{ part: test, to', '{ part: tets, to'),
      '7:20',
      /data\.splits\.train\.part must be one of train, test, not "tets"; did you mean "test"\?/,
    ],
    [
      'labels',
      edited('format: idx', 'format: cifar100\n  labels: corse'),
      '4:11',
      /one of coarse, fine, not "corse"; did you mean "coarse"\?/,
    ],
    ['list that is a map', edited('mean: [0.286]', 'mean: {a: 1}'), '5:22', /data\.normalise\.mean must be a list, not a map/],
    ['name with a space', edited('  out: {', '  "o t": {'), '32:3', /"o t" cannot be a name/],
    [
      'stage with a dot',
      edited('  out: {', '  together.big: {'),
      '32:3',
      /"together\.big" cannot be a name \(letters, digits, "_" and "-"; a dot names a peer of a stage, as in together\.big\)/,
    ],
    ['model with two origins', edited('{ name: cnn-teacher }', '{ name: a, module: b }'), '10:12', /give either name or module/],
    ['empty section', edited(/stages:\n[\s\S]*/.exec(VALID)?.[0] ?? '', 'stages:\n'), '12:1', /stages must be a map, not nothing/],
    ['no stages', edited(/stages:\n[\s\S]*/.exec(VALID)?.[0] ?? '', 'stages: {}\n'), '12:1', /there is no stage in stages/],
    [
      'model of the package',
      edited('cnn-teacher', 'cnn-techer'),
      '10:20',
      /no model "cnn-techer" in the package; did you mean "cnn-teacher"/,
    ],
    ['model that is not there', edited('model: own', 'model: owm'), '25:12', /there is no model "owm"; did you mean "own"\?/],
    ['split that is not there', edited('on: train', 'on: trian'), '16:9', /there is no split "trian"; did you mean "train"\?/],
    [
      'teacher that is not there',
      edited('teacher: teacher\n    model', 'teacher: techer\n    model'),
      '24:14',
      /no training stage "techer"; did you mean "teacher"\?/,
    ],
    [
      'teacher that trains nothing',
      edited('teacher: teacher\n    model', 'teacher: out\n    model'),
      '24:14',
      /stage "out" has no model of its own; there is: teacher, student/,
    ],
    [
      'name of an inherited property',
      edited('teacher: teacher\n    model', 'teacher: toString\n    model'),
      '24:14',
      /no training stage "toString"/,
    ],
    [
      'need that is not there',
      edited('of: student', 'of: student, needs: [teacher, tudent]'),
      '32:54',
      /stages\.out\.needs\[1\]: there is no stage "tudent"; did you mean "student"/,
    ],
    [
      'stage that teaches itself',
      edited('teacher: teacher\n    model', 'teacher: student\n    model'),
      '22:3',
      /stages wait for each other: student needs student/,
    ],
    [
      'circle',
      edited('    model: teacher', '    needs: [out]\n    model: teacher'),
      '13:3',
      /teacher needs out needs student needs teacher/,
    ],
    [
      'channels',
      edited('mean: [0.286]', 'mean: [0.2, 0.3, 0.4]'),
      '5:22',
      /mean has 3 entries, but images of the format idx have 1 channels/,
    ],
    ['empty split', edited('from: 8000', 'from: 8000, to: 8000'), '8:41', /data\.splits\.test is empty/],
    [
      'coarse labels of idx',
      edited('format: idx', 'format: idx\n  labels: coarse'),
      '4:11',
      /data\.labels: only cifar100.* coarse labels; idx has: fine/,
    ],
    ['built-in set', edited('path: photographs', 'path: builtin:fashion-mist'), '4:9', /did you mean "builtin:fashion-mnist"\?/],
    ['no teacher worker', `${VALID}workers: { teachers: 0 }\n`, '33:22', /workers\.teachers has no teacher, but stages\.student needs one/],
    ['empty list of teachers', `${VALID}workers: { teachers: [] }\n`, '33:22', /workers\.teachers has no teacher/],
    ['empty list of students', `${VALID}workers: { students: [] }\n`, '33:22', /workers\.students must have at least 1 entry, not 0/],
    ['workers that are neither', `${VALID}workers: { students: two }\n`, '33:22', /students must be a number or a list, not "two"/],
    [
      'device that is not there',
      `${VALID}workers: { students: [{ device: "cuda:0" }] }\n`,
      '33:33',
      /workers\.students\[0\]\.device must be one of cpu, not "cuda:0"/,
    ],
    [
      'key of one worker',
      `${VALID}workers: { students: [{ thread: 2 }] }\n`,
      '33:25',
      /unknown key "thread" in workers\.students\[0\]; did you mean "threads"\?/,
    ],
    ['threads of a wrong type', `${VALID}workers: { threads: many }\n`, '33:21', /workers\.threads must be "auto" or a number, not "many"/],
    ['no threads', `${VALID}workers: { threads: 0 }\n`, '33:21', /workers\.threads must be at least 1, not 0/],
    ['trace', `${VALID}engine: { trace: on }\n`, '33:18', /engine\.trace must be one of auto, off, not "on"/],
    ['precision', `${VALID}engine: { precision: bf17 }\n`, '33:22', /must be one of fp32, bf16, not "bf17"; did you mean "bf16"\?/],
    [
      'bf16 on another engine',
      `${VALID}engine: { precision: bf16 }\nworkers: { engine: wasm }\n`,
      '33:22',
      /engine\.precision: bf16 needs the engine tensorflow, and workers\.engine is wasm/,
    ],
    [
      'bf16 without a trace',
      `${VALID}engine: { precision: bf16, trace: off }\n`,
      '33:22',
      /engine\.precision: only traced steps compute in bf16, and engine\.trace is off/,
    ],
    ['temperature of 0', edited('temperature: 4', 'temperature: 0'), '31:26', /temperature must be more than 0/],
    ['alpha beyond 1', edited('from: 0.9', 'from: 1.9'), '31:36', /alpha must be from 0 to 1/],
    ['key twice', edited('    epochs: 3', '    epochs: 3\n    epochs: 3'), '19:5', /this key is in the same map twice/],
    ['own key named __proto__', `${VALID}__proto__: { seed: 3 }\n`, '33:1', /unknown key "__proto__"/],
    ['empty file', '', '1:1', /the recipe is empty/],
    ['a list', '- a\n', '1:1', /the recipe must be a map, not a list/],
  ];
  test.each(cases)('%s', async (_, text, place, message) => {
    const error = await failure(text);
    expect(error.code).toBe('recipe.invalid');
    expect(error.message).toMatch(message);
    expect(error.place).toBe(place);
    expect(error.message.startsWith(`recipe.yaml:${place}: `)).toBe(true);
  });

  test('all at once, in the order of the file', async () => {
    const text = edited('format: idx', 'format: idxx').replace('epochs: 3', 'epoch: 3').replace('model: own', 'model: owm');
    const { message } = await failure(text);
    expect(message.split('\n').map((line) => line.slice(0, line.indexOf(' ')))).toEqual([
      'recipe.yaml:3:11:',
      'recipe.yaml:18:5:',
      'recipe.yaml:25:12:',
    ]);
  });
});

describe('a file that is no recipe', () => {
  const deep = '['.repeat(5000);
  const bomb = `${Array.from({ length: 12 }, (_, i) => `a${i}: &a${i} [${i === 0 ? '1' : `*a${i - 1}`}${`, ${i === 0 ? 1 : `*a${i - 1}`}`.repeat(9)}]`).join('\n')}\n`;
  const cases: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
    ['broken YAML', 'name: [a\nb: }', /recipe\.yaml:2:\d+: this is not valid YAML/],
    ['two documents', `${VALID}---\nname: b\n`, /not valid YAML/],
    ['a tag', 'name: !!js/function "x"\n', /not valid YAML: Unresolved tag/],
    ['an alias to nothing', 'name: *a\n', /not valid YAML|cannot be unfolded/],
    ['aliases of aliases', bomb, /cannot be unfolded/],
    ['nesting without end', deep, /recipe\.yaml:1:1: this is nested more than 64 levels deep/],
    ['bytes that are no text', Uint8Array.of(0xff, 0xfe, 0x80, 0), /cannot be read/],
    ['too large', `# ${'x'.repeat(128 * 1024)}\n`, /cannot be read: it has \d+ bytes, of at most 131072/],
  ];
  test.each(cases)('%s', async (_, text, message) => {
    const error = await failure(text);
    expect(error.code).toBe('recipe.unreadable');
    expect(error.message).toMatch(message);
  });

  test('no file, or a folder', async () => {
    await expect(loadRecipe(join(folder, 'none.yaml'))).rejects.toMatchObject({ code: 'recipe.unreadable' });
    await expect(loadRecipe(folder)).rejects.toMatchObject({ code: 'recipe.unreadable' });
  });

  test('a recipe too large to travel', async () => {
    const models = Array.from(
      { length: 1000 },
      (_, i) => `  model-with-a-long-name-${i}: { name: cnn-teacher, options: { width: 8 } }\n`,
    ).join('');
    const error = await failure(edited('models:\n', `models:\n${models}`));
    expect(error).toMatchObject({ code: 'recipe.invalid' });
    expect(error.message).toMatch(/takes \d+ bytes, of at most 49152/);
  });
});

describe('--set', () => {
  test('puts values of YAML in place, also where the file has nothing', async () => {
    const set = [
      'workers.students=[{ threads: 1 }, {}]',
      'workers.students.1.threads=2',
      'engine.trace=off',
      'stages.teacher.schedule={name: step, epochs: [1, 2]}',
      'data.normalise.mean[0]=0.5',
      'name=other',
    ];
    const recipe = await loadRecipe(await write(VALID), { set });
    expect(recipe.workers.students).toEqual([1, 2].map((threads) => ({ device: 'cpu', threads })));
    expect(recipe.engine.trace).toBe('off');
    expect(recipe.stages.teacher).toMatchObject({ schedule: { name: 'step', epochs: [1, 2], factor: 0.1 } });
    expect(recipe.data.normalise.mean).toEqual([0.5]);
    expect(recipe.name).toBe('other');
  });

  test('finds names with dots', async () => {
    const text = edited('models:\n', 'models:\n  v1.2.net: { name: cnn-student }\n');
    const recipe = await loadRecipe(await write(text), { set: ['models.v1.2.net.name=cnn-teacher'] });
    expect(recipe.models['v1.2.net']).toMatchObject({ name: 'cnn-teacher' });
  });

  const blamed: readonly (readonly [string, RegExp])[] = [
    ['workers.students=many', /^--set workers\.students=many: workers\.students must be a number or a list, not "many"/],
    ['workers.student=2', /^--set workers\.student=2: unknown key "student" in workers; did you mean "students"\?/],
    ['stages.student.model=techer', /^--set stages\.student\.model=techer: .* did you mean "teacher"\?/],
    ['stages.student.freeze=conv1', /freeze must be a map, not "conv1"; write \{ through: conv1 \}, .*, or \{ after: conv1 \}, all others/],
  ];
  test.each(blamed)('%s is blamed for what it brought', async (set, message) => {
    const error = await failure(VALID, [set]);
    expect(error).toMatchObject({ code: 'recipe.invalid', place: 'undefined:undefined' });
    expect(error.message).toMatch(message);
  });

  const refused: readonly (readonly [string, RegExp])[] = [
    ['workers.students', /not of the form key\.key=value/],
    ['=3', /not of the form/],
    ['a..b=3', /not of the form/],
    ['stages.techer.epochs=3', /there is no "techer" in stages; did you mean "teacher"\?/],
    ['name.first=3', /name is "small", which has no "first"/],
    ['data.normalise.mean.7=3', /data\.normalise\.mean has no entry "7"; it has 1, from 0/],
    ['__proto__.seed=3', /there is no "__proto__" in the recipe/],
    ['seed=[1', /not valid YAML/],
  ];
  test.each(refused)('%s makes no sense', async (set, message) => {
    const error = await failure(VALID, [set]);
    expect(error.code).toBe('usage.invalid');
    expect(error.message).toMatch(message);
  });
});

test('a recipe from elsewhere is checked like a file', () => {
  expect(() => parseRecipe('{')).toThrow(/not JSON/);
  expect(() => parseRecipe('{"name":"a"}')).toThrow(/needs the key "data"/);
});
