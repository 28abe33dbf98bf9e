import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { distFolder, packageFolder } from '../../../src/process/package-folder.js';
import { describeTensorflow } from '../../support/tensorflow-engine.js';

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The compiled command line, as a user starts it. */
function stillhouse(...args: readonly string[]): Promise<Ended> {
  return stillhouseIn({}, ...args);
}

/** The same, with these variables in its environment. */
function stillhouseIn(env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, ...env } };
    execFile(process.execPath, [join(distFolder, 'src/cli/main.js'), ...args], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

const DEMO = join(packageFolder, 'deploy/recipes/demo.yaml');
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'command line '));
});
afterAll(() => rm(folder, { recursive: true }));

describe('help', () => {
  test.each([
    [],
    ['run'],
    ['resume'],
    ['table'],
    ['coordinator'],
    ['worker'],
    ['validate'],
    ['export'],
    ['model'],
    ['engine'],
    ['engine', 'list'],
    ['engine', 'trace'],
    ['engine', 'install'],
    ['engine', 'remove'],
    ['data'],
    ['data', 'verify'],
  ])('of %j has an example', async (...command) => {
    const { code, stdout } = await stillhouse(...command, '--help');
    expect(code).toBe(0);
    expect(stdout).toContain(`Examples:\n  $ stillhouse ${command.join(' ')}`);
  });
});

describe('with --json an error is an object', () => {
  test.each<[readonly string[], number, object]>([
    [['run', 'nowhere.yaml'], 2, { code: 'recipe.unreadable', file: 'nowhere.yaml', message: expect.stringContaining('no such file') }],
    [['run', DEMO, '--set', 'seed=-1'], 2, { code: 'recipe.invalid', problems: [{ option: '--set seed=-1', path: 'seed' }] }],
    [
      ['validate', DEMO, '--set', 'data.path=/nowhere'],
      2,
      { code: 'data.missing', file: '/nowhere', message: expect.stringContaining('no such folder') },
    ],
    [['run'], 2, { code: 'usage.invalid', message: expect.stringContaining("missing required argument 'recipe'") }],
    [
      ['table', DEMO, '--seeds', '2', '--out', DEMO],
      1,
      { code: 'run.unwritable', message: expect.stringContaining('a file in its place') },
    ],
    [['run', DEMO, '--out', DEMO], 1, { code: 'run.unwritable', message: expect.stringContaining('cannot make a run folder') }],
  ])('%j', async (args, code, error) => {
    const { stdout, ...rest } = await stillhouse(...args, '--json');
    expect(rest.code).toBe(code);
    const lines = stdout.trimEnd().split('\n');
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ type: 'error', ...error });
    expect(rest.stderr).not.toContain('    at ');
  });
});

describe('a mistake ends with the code 2 and says what to do', () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['runn', 'a.yaml'], /unknown command 'runn'[\s\S]*run/],
    [['run'], /missing required argument 'recipe'/],
    [['run', 'nowhere.yaml'], /^nowhere\.yaml: the recipe cannot be read: there is no such file$/m],
    [['run', tmpdir()], /the recipe cannot be read: this is a folder, not a file$/m],
    [['run', DEMO, '--sett', 'a=b'], /unknown option '--sett'[\s\S]*--set/],
    [['run', DEMO, '--set', 'stages.teacher.epoch=3'], /--set stages\.teacher\.epoch=3: unknown key "epoch" .* did you mean "epochs"\?/],
    [['validate', DEMO, '--set', 'models.student.options.widht=3'], /demo\.yaml:\d+:\d+: models\.student: .* no option 'widht'/],
    [['validate', DEMO, '--set', 'data.splits.test.to=10001'], /test/],
    [['model', 'resnet21'], /there is no model "resnet21"; did you mean "resnet20"\? The closest names: resnet20, /],
    [['model', 'densely'], /there is no model "densely"; there is: cnn, .*Give a name of the package, the path of a module/],
    [['model', './resnet20'], /^\.\/resnet20: there is no such file\. Give a name/m],
    [['model', DEMO], /demo\.yaml: this is no model\.json: /],
    [['model', 'resnet20', '--input', '32x32'], /--input .*give height, width and channels, such as 32x32x3/],
    [['model', 'resnet20', '--classes', '0'], /--classes .*give the number of classes/],
    [['model', 'cnn', '--option', 'hiden=3'], /model 'cnn' has no option 'hiden'; did you mean "hidden"\?/],
    [['model', 'cnn', '--option', 'hidden'], /--option hidden is not key=value\. Write --option hidden=32/],
    [['model', 'cnn', '--input', '2x2x1'], /model 'cnn' cannot be built for images of 2x2x1/],
    [['model', packageFolder, '--classes', '5'], /a saved model has its own images, classes and options/],
    [['engine', 'trace', DEMO], /required option '--out <folder>' not specified/],
    [
      ['engine', 'trace', DEMO, '--out', 'x', '--stage', 'export'],
      /the stage export of kind export has no model of its own; that of student is the one that it works on/,
    ],
    [['engine', 'trace', DEMO, '--out', packageFolder], /this is not an empty folder. Choose another one/],
    [['engine', 'trace', DEMO, '--out', DEMO], /this is not an empty folder/],
    [['data', 'verify', DEMO, '--set', 'data.path=/nowhere'], /\/nowhere/],
    [['worker', '--role', 'pupil', '--coordinator', 'tcp://127.0.0.1:1'], /Allowed choices are teacher, student/],
    [['worker', '--role', 'student', '--coordinator', 'tcp://127.0.0.1:1', '--name', 'a b'], /--name .*letters, digits/],
    [['worker', '--role', 'student', '--coordinator', 'tcp://10.0.0.1:1'], /--insecure/],
    [['worker', '--role', 'student', '--coordinator', 'tcp://127.0.0.1:1', '--threads', '0'], /--threads .*must be a whole number from 1/],
    [
      ['validate', DEMO, '--set', 'engine.precision=bf16', '--set', 'workers.engine=cpu'],
      /bf16 needs the engine tensorflow, and workers\.engine is cpu/,
    ],
    [['worker', '--role', 'student', '--coordinator', 'tcp://10.0.0.1:1', '--insecure'], /Give --listen-host/],
    [['coordinator', DEMO, '--listen', 'tcp://10.0.0.1:1'], /--insecure/],
    [['coordinator', DEMO, '--listen', 'tcp://0.0.0.0:1', '--insecure'], /not an address that others can connect to/],
    [['coordinator', DEMO, '--listen', 'localhost:1'], /localhost:1 is not an address. Write tcp:\/\/localhost:1/],
    [['table', DEMO], /required option '--seeds <seeds>' not specified/],
    [['table', DEMO, '--seeds', '0'], /--seeds 0: give a number of seeds from 1 to 100, or different seeds with commas/],
    [['table', DEMO, '--seeds', '2', '--set', 'seed=3'], /--set seed: the seeds of a table are those of --seeds/],
    [['table', DEMO, '--seeds', '2', '--kd', 'studnet'], /--kd studnet: .*did you mean "student"\?/],
    [['coordinator'], /give either a recipe or --resume/],
    [['resume', tmpdir()], /this folder is not a run/],
    [['export', tmpdir(), '--out', 'x'], /this folder is not a run/],
  ];
  test.each(cases)('%j', async (args, message) => {
    const { code, stdout, stderr } = await stillhouse(...args);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
    expect(stdout).toBe('');
  });
});

test.each([
  [['run', '--help'], 'stdout', 'stderr', 0],
  [['validate', DEMO, '--explain'], 'stdout', 'stderr', 0],
  [['run', '--no-such-option'], 'stderr', 'stdout', 2],
] as const)('%j ends quietly when nobody reads its %s any more', async (args, closed, read, code) => {
  const child = spawn(process.execPath, [join(distFolder, 'src/cli/main.js'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  child[closed].destroy();
  const [output, [ended]] = await Promise.all([text(child[read]), once(child, 'exit')]);
  expect({ output, ended }).toEqual({ output: '', ended: code });
});

describe('what was asked for is on the standard output', () => {
  test('the demo is valid', async () => {
    const { code, stdout } = await stillhouse('validate', DEMO);
    expect(code).toBe(0);
    expect(stdout).toContain('teacher 52,138 parameters, student 4,266 parameters');
    expect(stdout).toContain('tried: a training step on two images of each of teacher, baseline, student (engine wasm)');
    // 32 images of each of two students, ten numbers of four bytes of each.
    expect(stdout).toMatch(/^ {2}student: 64 images .* 1\.3 KiB a step from the teacher to each student$/m);
    expect(stdout).toMatch(/^ {2}baseline: .* 1 average an epoch$/m);
    expect(stdout).toMatch(/^threads on \d+ cores: student-1 \d+, student-2 \d+, teacher-1 \d+$/m);
  });

  test('numbers of threads beyond the cores are warned of', async () => {
    const { code, stderr } = await stillhouse('validate', DEMO, '--set', 'workers.threads=1000');
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/^warning: the workers have 3000 threads together, and/) });
  });

  test('a recipe explained is a recipe', async () => {
    const file = join(folder, 'explained.yaml');
    await writeFile(file, (await stillhouse('validate', DEMO, '--explain')).stdout);
    const [first, second] = await Promise.all([
      stillhouse('validate', DEMO, '--json', '--quick'),
      stillhouse('--json', 'validate', file, '--quick'),
    ]);
    expect(JSON.parse(first.stdout)).toMatchObject({
      tried: [],
      parameters: { teacher: 52_138 },
      work: [{ stage: 'teacher', bytesFromTeacher: {} }, {}, { stage: 'student', bytesFromTeacher: { student: 1280 } }],
    });
    expect(JSON.parse(second.stdout)).toEqual(JSON.parse(first.stdout));
  });

  test('each engine is usable, or it says why not', async () => {
    const { stdout } = await stillhouse('engine', 'list', '--json');
    const probes = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(probes.map(({ name }) => name)).toEqual(['tensorflow', 'wasm', 'cpu']);
    expect(probes).toContainEqual(expect.objectContaining({ name: 'wasm', usable: true }));
    expect(probes.every(({ note }) => String(note).length > 0)).toBe(true);
  });

  test('a recipe that names an engine can be run only where that engine is usable', async () => {
    const { stdout } = await stillhouse('engine', 'list', '--json');
    for (const line of stdout.trim().split('\n')) {
      const { name, usable, note } = JSON.parse(line) as { name: string; usable: boolean; note: string };
      const set = [DEMO, '--set', `workers.engine=${name}`];
      expect((await stillhouse('validate', ...set)).code).toBe(usable ? 0 : 2);
      if (usable) continue;
      for (const command of ['run', 'coordinator']) {
        const { code, stderr } = await stillhouse(command, ...set, '--out', join(folder, 'runs'));
        expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/^error \(engine\.unusable\): /) });
        expect(stderr).toContain(note);
      }
      expect(existsSync(join(folder, 'runs'))).toBe(false);
    }
  });

  test('the data of the demo is whole, and its splits have fingerprints', async () => {
    const verify = (...options: string[]) => stillhouseIn({ STILLHOUSE_CACHE: join(folder, 'cache') }, 'data', 'verify', DEMO, ...options);
    const { code, stdout } = await verify();
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toEqual([
      expect.stringMatching(/t10k-images-idx3-ubyte\.gz: 10,000 samples, whole$/),
      expect.stringMatching(/t10k-labels-idx1-ubyte\.gz: 10,000 samples, whole$/),
      expect.stringMatching(/^split train: 8,000 samples \(776 to 827 of each of 10 classes\), fingerprint [0-9a-f]{64}$/),
      '  normalise: { mean: [0.2864], std: [0.3524] }',
      expect.stringMatching(/^split few: 500 samples \(39 to 65 of each of 10 classes\), fingerprint [0-9a-f]{64}$/),
      '  normalise: { mean: [0.2951], std: [0.3569] }',
      expect.stringMatching(/^split test: 2,000 samples \(173 to 224 of each of 10 classes\), fingerprint [0-9a-f]{64}$/),
      '  normalise: { mean: [0.2886], std: [0.3526] }',
      '500 images of few are in train too',
    ]);
    const told = (await verify('--json')).stdout.trimEnd().split('\n');
    const [train, few, test] = [2, 4, 6].map((at) => lines[at]?.slice(-64));
    expect(told.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { file: expect.stringMatching(/t10k-images/), samples: 10_000 },
      { file: expect.stringMatching(/t10k-labels/), samples: 10_000 },
      { split: 'train', samples: 8000, fingerprint: train },
      { split: 'few', samples: 500, fingerprint: few },
      { split: 'test', samples: 2000, fingerprint: test },
      { shared: ['train', 'few'], count: 500 },
    ]);
    expect(existsSync(join(folder, 'cache', 'fingerprints.json'))).toBe(true);
  });
});

describe('model', () => {
  const MODULE = `export function build({ inputShape, classes, options }, tf) {
    const { layers } = tf.layers;
    const image = tf.layers.input({ shape: inputShape, name: 'image' });
    const map = layers.conv2d({ name: 'map', filters: options.width, kernelSize: 3, useBias: false }).apply(image);
    const out = layers.dense({ name: 'out', units: classes }).apply(layers.flatten({ name: 'flat' }).apply(map));
    return tf.layers.model({ inputs: image, outputs: out });
  }`;

  test('of a name: a row for each layer, totals, layers to tap, in 80 columns', async () => {
    const { code, stdout, stderr } = await stillhouse('model', 'resnet8', '--input', '32x32x3', '--classes', '100');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(stdout).toMatch(/^stage2\.block1\.relu2 \* +relu +16x16x32 +0 +8\.19 k$/m);
    expect(stdout).toContain('images 32x32x3, classes 100\n');
    expect(stdout).toContain('  stage3.block1.relu2 (8x8x64, the last of its size)\n  pool (64, before the classifier)\n');
  });

  test('of a module, with its options, as JSON', async () => {
    const module = join(folder, 'own.mjs');
    await writeFile(module, MODULE);
    const options = ['--input', '6x6x1', '--classes', '3', '--option', 'width=4'];
    const { code, stdout, stderr } = await stillhouse('model', module, ...options, '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const multiplyAdds = 16 * 36 + 64 * 3;
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ type: 'model', model: module, inputShape: [6, 6, 1], classes: 3, unfit: null },
      ...{ parameters: 36 + 195, trainable: 36 + 195, cost: { multiplyAdds, flops: 2 * multiplyAdds + 3 } },
      taps: { maps: ['map'], beforeClassifier: 'flat' },
    });
  });

  test('of a saved model: from its files alone, and a run that could not take it is warned of', async () => {
    const saved = join(folder, 'saved');
    await mkdir(saved);
    const dense = { class_name: 'Dense', config: { name: 'out', units: 2, activation: 'softmax', batch_input_shape: [null, 4, 4, 1] } };
    const weights = [
      { name: 'out/kernel', shape: [1, 2], dtype: 'float32' },
      { name: 'out/bias', shape: [2], dtype: 'float32' },
    ];
    const modelTopology = { class_name: 'Sequential', config: { name: 'keras', layers: [dense] } };
    await writeFile(join(saved, 'w.bin'), new Uint8Array(16));
    await writeFile(
      join(saved, 'model.json'),
      JSON.stringify({ format: 'layers-model', modelTopology, weightsManifest: [{ paths: ['w.bin'], weights }] }),
    );
    const { code, stdout, stderr } = await stillhouse('model', saved);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringMatching(/^warning: a run cannot take this model: .*the model's output is/),
    });
    expect(stdout).toMatch(/^out +dense, softmax +4x4x2 +4 +128$/m);
    expect(stdout).toContain('images 4x4x1, classes 2');
  });

  test.each([
    ['throws', "export function build() { throw new Error('no luck'); }", /build failed: no luck/],
    [
      'ends its process',
      'export function build() { process.exit(0); }',
      /while the model was built, its process ended .*must not end the process/,
    ],
    ['has no build', 'export const model = 1;', /exports model, but no function 'build'/],
  ])('of a module that %s: it is said, with its file', async (name, code, message) => {
    const module = join(folder, `${name}.mjs`);
    await writeFile(module, code);
    const ended = await stillhouse('model', module);
    expect(ended.stderr).toMatch(message);
    expect(ended.stderr).toContain(module);
    expect(ended).toMatchObject({ code: 2, stdout: '' });
  });
});

describeTensorflow('engine trace', () => {
  test('writes a graph and its listing', async () => {
    const out = join(folder, 'graph of a stage');
    const { code, stdout, stderr } = await stillhouse('engine', 'trace', DEMO, '--stage', 'baseline', '--out', out, '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { files, ...told } = JSON.parse(stdout) as { readonly files: readonly string[] };
    expect(told).toEqual({
      ...{ type: 'trace', stage: 'baseline', precision: 'fp32', nodes: expect.any(Number), bytes: statSync(files[0] ?? '').size },
      signatures: expect.arrayContaining(['train', 'infer']),
    });
    expect(files).toEqual(['saved_model.pb', 'listing.txt'].map((name) => join(out, name)));
    expect(readFileSync(join(out, 'listing.txt'), 'utf8')).toContain('Conv2DBackpropFilter');
  });
});

test('bf16 is refused where auto would not find the engine for it', async () => {
  const { code, stderr } = await stillhouseIn({ STILLHOUSE_CACHE: folder }, 'validate', DEMO, '--set', 'engine.precision=bf16');
  const why =
    /^error \(engine\.unusable\): engine\.precision bf16: the engine tensorflow cannot be used here: .*stillhouse engine install tensorflow/;
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(why) });
});

test('a trace without the engine says how to get it', async () => {
  const out = join(folder, 'no graph');
  const { code, stderr } = await stillhouseIn({ STILLHOUSE_CACHE: folder }, 'engine', 'trace', DEMO, '--out', out);
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: expect.stringMatching(/^error \(engine\.unusable\): .*stillhouse engine install tensorflow/),
  });
  expect(existsSync(out)).toBe(false);
});
