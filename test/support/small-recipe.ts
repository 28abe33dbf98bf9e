/** Recipes that whole runs of processes are tested with: real images, small networks, seconds. */

import type { Recipe } from '../../src/config/schema.js';

export interface SmallRecipeOptions {
  readonly engine?: Recipe['workers']['engine'];
  readonly students?: number;
  /** For training, of each stage. */
  readonly images?: number;
  /** Of the stage that teaches, and of the one that is taught. */
  readonly teacherEpochs?: number;
  readonly studentEpochs?: number;
  /** Steps of a round of the stage that is taught. */
  readonly every?: number;
  /** For tests, the last ones of the file. */
  readonly testImages?: number;
}

const ADAM = { name: 'adam', rate: 0.003 };

/**
 * A stage `teacher` and a stage `student` that learns from it, on few images, with many short rounds. Both have the same
 * small model: what is tested is not what they learn.
 */
export function smallRecipe({
  engine = 'wasm',
  students = 2,
  images = 640,
  teacherEpochs = 1,
  studentEpochs = 12,
  every = 2,
  testImages = 200,
}: SmallRecipeOptions = {}): object {
  const stage = {
    model: 'student',
    on: 'few',
    test: 'test',
    evaluateEvery: 1000,
    optimizer: ADAM,
    augment: { cropPadding: 2, flip: true },
  };
  return {
    name: 'small',
    seed: 7,
    data: {
      format: 'idx',
      path: 'builtin:fashion-mnist',
      normalise: { mean: [0.286], std: [0.353] },
      splits: { few: { part: 'test', from: 0, to: images }, test: { part: 'test', from: 10_000 - testImages, to: 10_000 } },
    },
    models: { student: { name: 'cnn-student' } },
    stages: {
      teacher: { kind: 'train', ...stage, epochs: teacherEpochs, batch: 16, every: 2 },
      student: {
        kind: 'distil',
        teacher: 'teacher',
        ...stage,
        epochs: studentEpochs,
        batch: 16,
        every,
        checkpointEvery: 10,
        loss: { temperature: 4, alpha: { schedule: 'linear', from: 0.5, to: 0.9 } },
      },
    },
    workers: { students, teachers: 1, engine },
  };
}

export interface MutualRecipeOptions {
  readonly engine?: Recipe['workers']['engine'];
  readonly replicas?: number;
  readonly images?: number;
  readonly epochs?: number;
  readonly testImages?: number;
  /** With a stage `base`, whose model teaches the peers as well. */
  readonly isTaught?: boolean;
  /** More keys of the stage `pair`. */
  readonly pair?: object;
}

/** A stage `pair` whose peers `big` and `small` learn from each other, a test of `small`, and the export of `big`. */
export function mutualRecipe(options: MutualRecipeOptions = {}): object {
  const { engine = 'wasm', replicas = 1, images = 640, epochs = 10, testImages = 200, isTaught = false, pair = {} } = options;
  const { data, workers, stages, ...rest } = smallRecipe({ engine, images, testImages }) as Recipe;
  const taught = { teacher: 'base', fromTeacher: { temperature: 2, weight: 0.5 } };
  return {
    ...rest,
    data,
    models: { small: { name: 'cnn-student' }, big: { name: 'cnn', options: { channels: '6,8', hidden: 16 } } },
    stages: {
      ...(isTaught ? { base: { ...stages.teacher, model: 'small' } } : {}),
      pair: {
        kind: 'mutual',
        peers: { big: { model: 'big', optimizer: { name: 'sgd', rate: 0.05, momentum: 0.9 } }, small: { model: 'small' } },
        replicas,
        on: 'few',
        test: 'test',
        epochs,
        batch: 16,
        every: 2,
        checkpointEvery: 10,
        evaluateEvery: 1000,
        optimizer: ADAM,
        augment: { cropPadding: 2, flip: true },
        ...(isTaught ? taught : {}),
        ...pair,
      },
      tested: { kind: 'evaluate', of: 'pair.small', test: 'test' },
      out: { kind: 'export', of: 'pair.big' },
    },
    workers: { teachers: isTaught ? 1 : 0, engine: workers.engine },
  };
}
