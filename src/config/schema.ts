/** The recipe: one schema for every way of running. Unknown keys are errors. Defaults are here and nowhere else. */

import { z } from 'zod';
import { augment } from './augment-schema.js';
import { data } from './data-schema.js';
import { name, positive, share, wholeFromOne } from './schema-scalar.js';
import { type Variable, variableIn } from './variable.js';

/** The engines, in the order in which `auto` tries them: the fastest first. */
export const ENGINE_NAMES = ['tensorflow', 'wasm', 'cpu'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** The engines that a recipe may ask for; `auto` takes the first that works. */
export const ENGINE_CHOICES = ['auto', ...ENGINE_NAMES] as const;

/** The devices that a worker may compute on. */
export const DEVICES = ['cpu'] as const;

/** The name of a stage or of a peer. A dot would name a peer of a stage. */
const stageName = name.refine(
  (text) => !text.includes('.'),
  'letters, digits, "_" and "-"; a dot names a peer of a stage, as in together.big',
);

const model = z
  .strictObject({
    /** A model of the package, see src/nn/README.md. */
    name: z.string().optional(),
    /** Or a JavaScript module that exports `build(context, tf)`, from the recipe's folder. */
    module: z.string().optional(),
    options: z.record(z.string(), z.union([z.number(), z.string(), z.boolean()])).default({}),
  })
  .refine((spec) => (spec.name === undefined) !== (spec.module === undefined), 'give either name or module');

/** A learning rate. No training is known that goes well with more than this: it is a mistake of writing. */
const rate = positive.max(100);

const optimizer = z.discriminatedUnion('name', [
  z.strictObject({
    name: z.literal('sgd'),
    rate,
    momentum: z.number().min(0).lt(1).default(0),
    nesterov: z.boolean().default(false),
    weightDecay: z.number().min(0).default(0),
    /** Whether weight decay also acts on biases and on BatchNorm's scale and shift. */
    decayAll: z.boolean().default(false),
  }),
  z.strictObject({
    name: z.literal('adam'),
    rate,
    beta1: z.number().min(0).lt(1).default(0.9),
    beta2: z.number().min(0).lt(1).default(0.999),
    epsilon: positive.default(1e-8),
    weightDecay: z.number().min(0).default(0),
    decayAll: z.boolean().default(false),
  }),
]);
export type OptimizerRecipe = z.infer<typeof optimizer>;

const warmup = { warmupEpochs: z.number().min(0).default(0) };
/** The learning rate as a share of the optimiser's rate, over the samples committed. */
const schedule = z.discriminatedUnion('name', [
  z.strictObject({ name: z.literal('constant'), ...warmup }),
  z.strictObject({ name: z.literal('cosine'), ...warmup, /** The share at the end. */ final: share.default(0) }),
  z.strictObject({ name: z.literal('step'), ...warmup, epochs: z.array(positive).min(1), factor: positive.default(0.1) }),
]);
export type ScheduleRecipe = z.infer<typeof schedule>;

/** A trained model from outside the run: of another run, by the folder of that run, or an exported `model.json`. Paths start from the recipe's folder. */
const outsideForms = [
  z.strictObject({
    run: z.string().min(1),
    /** The stage that trained it, or stage.peer; the last stage that trains when left out. */
    stage: z.string().min(1).optional(),
    /** The epoch whose parameters are taken: the last one, or the one with the best accuracy. */
    epoch: z.enum(['last', 'best']).default('last'),
  }),
  z.strictObject({ file: z.string().min(1) }),
] as const;
const outsideModel = z.xor(outsideForms);
export type OutsideModel = z.infer<typeof outsideModel>;

/** A model by the name of the stage that has it, or one from outside, for which loading makes a stage `load` (outside-model.ts). */
const anyModel = z.xor([name, ...outsideForms]) as unknown as z.ZodType<string>;

/** The layers that a stage leaves as they are: a layer with all that it depends on, or all others. */
const freeze = z
  .strictObject({ through: z.string().optional(), after: z.string().optional() })
  .refine((spec) => (spec.through === undefined) !== (spec.after === undefined), 'give either through or after, and the name of a layer');
export type FreezeRecipe = z.infer<typeof freeze>;

const batchSize = wholeFromOne.max(4096);

const training = {
  needs: z.array(name).default([]),
  /** The model whose parameters the stage begins with; when left out, new ones. */
  init: anyModel.optional(),
  freeze: freeze.optional(),
  model: name,
  /** The names of the splits for training and for tests. */
  on: name,
  test: name,
  epochs: wholeFromOne,
  /** The number of samples of a step of one student; or of a step of all columns together (batch.ts). */
  batch: z.union([batchSize, z.strictObject({ global: batchSize })]),
  /** The number of steps of each student between two averages, which is one round. */
  every: wholeFromOne.default(8),
  augment: augment.default({ cropPadding: 0, flip: false }),
  optimizer,
  schedule: schedule.default({ name: 'constant', warmupEpochs: 0 }),
  /** The number of epochs between two evaluations on the test split; the last epoch is always evaluated. */
  evaluateEvery: wholeFromOne.default(1),
  /** The number of rounds between two checkpoints; the end of a stage and a graceful stop always write one. */
  checkpointEvery: wholeFromOne.default(25),
};

const trainingShape = z.strictObject(training);

/** The two sides that a term of a loss may learn from. */
export const OTHER_SIDES = ['teacher', 'peers'] as const;
export type OtherSide = (typeof OTHER_SIDES)[number];

/**
 * One term of a loss: a loss of the package by name, or a user's module. The loss declares the other keys of its term;
 * src/losses/term-check.ts checks a term against the declaration, and fills in the defaults.
 */
const term = z
  .looseObject({
    loss: z.string().optional(),
    /** A JavaScript module, from the recipe's folder. */
    module: z.string().optional(),
  })
  .refine(
    (spec) => (spec.loss === undefined) !== (spec.module === undefined),
    'give either loss or module',
  ) as unknown as z.ZodType<TermRecipe>;

export interface TermRecipe {
  readonly loss?: string | undefined;
  readonly module?: string | undefined;
  /** The weight is absolute: the other terms' weights do not change with it. */
  readonly weight?: Variable | undefined;
  /** Pairs of layers: the student's layer, then the teacher's. */
  readonly taps?: readonly (readonly [string, string])[] | undefined;
  /** Pairs of flows, each of two layers of one model: the student's, then the teacher's. */
  readonly flows?: readonly (readonly [readonly [string, string], readonly [string, string]])[] | undefined;
  /** One weight for each pair, in their order. */
  readonly weights?: readonly number[] | undefined;
  /** The side that the term learns from; when left out, the peers in a stage that has several, otherwise the teacher. */
  readonly from?: OtherSide | undefined;
  /** `gathered`: the loss compares the images of a step of all students that train the model, and not of each by itself. */
  readonly batch?: 'gathered' | undefined;
  /** A knob (a Variable) or a constant (a number) of the loss. */
  readonly [name: string]: unknown;
}

/** The long form of a loss: the labels and any number of terms, each with a weight of its own. */
const termedLoss = z.strictObject({
  labels: z.strictObject({ weight: variableIn({ min: 0 }).default(1), smoothing: share.default(0) }).default({ weight: 1, smoothing: 0 }),
  terms: z.array(term).max(32),
});

/** A stage's short form or the long one. Exclusive, so that zod reports the problems of both, and the messages choose. */
function lossForms<Short extends z.ZodObject>(short: Short) {
  return z.xor([short, termedLoss]);
}

/** The loss of a peer of a mutual stage: cross-entropy + weight T^2 mean over the other peers j of KL(p_j || p) (arXiv 1706.00384). */
const mutualLoss = lossForms(
  z.strictObject({
    /** `mean`: the mean over the other peers. */
    target: z.enum(['mean']).default('mean'),
    temperature: variableIn({ above: 0 }).default(1),
    weight: variableIn({ min: 0 }).default(1),
    labelSmoothing: share.default(0),
  }),
);

/** Adds weight T^2 KL(teacher || p) to the loss of a peer of a mutual stage. */
const fromTeacher = z.strictObject({
  temperature: variableIn({ above: 0 }).default(4),
  weight: variableIn({ min: 0 }).default(1),
});

/** The keys of one peer of a stage; a key that is left out is the stage's own. */
const peer = z.strictObject({
  model: name.optional(),
  init: anyModel.optional(),
  freeze: freeze.optional(),
  optimizer: optimizer.optional(),
  schedule: schedule.optional(),
  loss: mutualLoss.optional(),
  fromTeacher: fromTeacher.optional(),
});

/** How knowledge travels. `full`: in float32, as it is. `half`: in float16, in half the bytes. */
const wire = z.enum(['full', 'half']).default('full');

/**
 * The answer to predictions of another peer that do not come in time, by the pace of the steps before. `wait`: the peer waits for
 * them. `renormalise`: it learns from the mean of those that came.
 */
const onLate = z.enum(['wait', 'renormalise']).default('wait');

/** The finished model of a stage that trains, and which of its epochs: a name alone is its last. `best`: the most accurate on its test images. */
const finished = z.union([name, z.strictObject({ stage: name, epoch: z.enum(['best', 'last']).default('last') })]);

const stage = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('train'),
    ...training,
    loss: lossForms(z.strictObject({ labelSmoothing: share.default(0) })).default({ labelSmoothing: 0 }),
  }),
  z.strictObject({
    kind: z.literal('distil'),
    ...training,
    /** The model that teaches. */
    teacher: anyModel,
    wire,
    loss: lossForms(
      z.strictObject({
        temperature: variableIn({}).default(4),
        /** The share of the soft term: (1 - alpha) CE + alpha T^2 KL. */
        alpha: variableIn({}).default(0.9),
        labelSmoothing: share.default(0),
      }),
    ),
  }),
  z.strictObject({
    kind: z.literal('mutual'),
    ...training,
    model: name.optional(),
    optimizer: optimizer.optional(),
    /** The models that train together, by name; two or more. */
    peers: z.record(stageName, peer),
    /** The number of students of each peer. */
    replicas: wholeFromOne.max(64).default(1),
    /** The model that teaches the peers as well. */
    teacher: anyModel.optional(),
    fromTeacher: fromTeacher.optional(),
    wire,
    onLate,
    loss: mutualLoss.default({ target: 'mean', temperature: 1, weight: 1, labelSmoothing: 0 }),
  }),
  /** Takes a trained model into the run, and tests it. */
  z.strictObject({ kind: z.literal('load'), needs: z.array(name).default([]), from: outsideModel, test: name }),
  z.strictObject({ kind: z.literal('evaluate'), needs: z.array(name).default([]), of: finished, test: name }),
  z.strictObject({ kind: z.literal('export'), needs: z.array(name).default([]), of: finished }),
]);

const engine = z.strictObject({
  /** Whether steps are recorded and run as graphs, where the engine can do that; otherwise they run op by op. */
  trace: z.enum(['auto', 'off']).default('auto'),
  /** The precision of convolutions and matrix products in traced steps; parameters, losses and statistics are always fp32. */
  precision: z.enum(['fp32', 'bf16']).default('fp32'),
});
export type EngineRecipe = z.infer<typeof engine>;

const threads = wholeFromOne.max(1024);

/** The device and the threads of one worker. */
const place = z.strictObject({
  device: z.enum(DEVICES).default('cpu'),
  /** `workers.threads` when left out. */
  threads: z.union([z.literal('auto'), threads]).optional(),
});

/** The number of workers of a role, or a list with an entry for each. */
const workersOfRole = (least: 0 | 1) => z.union([z.int().min(least).max(64), z.array(place).min(least).max(64)]);
export type WorkersOfRole = z.infer<ReturnType<typeof workersOfRole>>;

/** The number of workers of a role. */
export function countWorkers(workers: WorkersOfRole): number {
  return typeof workers === 'number' ? workers : workers.length;
}

export const recipeSchema = z.strictObject({
  name,
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(1),
  data,
  models: z.record(name, model),
  stages: z.record(stageName, stage),
  engine: engine.default({ trace: 'auto', precision: 'fp32' }),
  workers: z
    .strictObject({
      /**
       * The students that `run` starts on this machine; when left out, as many as the stage with the most cells has. A stage waits until
       * there is a student for each of its peers, and a teacher where it needs one.
       */
      students: workersOfRole(1).optional(),
      teachers: workersOfRole(0).default(1),
      /** The threads of each worker that `run` starts. `auto`: the cores of the machine are divided among them. */
      threads: z.union([z.literal('auto'), threads]).default('auto'),
      engine: z.enum(ENGINE_CHOICES).default('auto'),
      /** The number of times that `run` starts a dead worker again. */
      restarts: z.int().min(0).max(100).default(3),
    })
    .default({ teachers: 1, threads: 'auto', engine: 'auto', restarts: 3 }),
});

export type Recipe = z.infer<typeof recipeSchema>;
export type DataRecipe = Recipe['data'];
export type SplitRecipe = DataRecipe['splits'][string];
export type { AugmentRecipe } from './augment-schema.js';
export type ModelRecipe = z.infer<typeof model>;
export type StageRecipe = z.infer<typeof stage>;
/** The finished model that a stage tests or exports, as a recipe names it. */
export type FinishedRecipe = z.infer<typeof finished>;
/** A stage that changes parameters. */
export type TrainingStage = Extract<StageRecipe, { epochs: number }>;
/** A stage that learns from the model of another stage. */
export type TaughtStage = TrainingStage & { readonly teacher: string };
/** The recipe by which one model trains: see peer.ts. */
export type PeerRecipe = Omit<z.infer<typeof trainingShape>, 'needs'> & {
  readonly loss: LossRecipe;
  /** The model that teaches it, if one does, and the form in which its knowledge travels. */
  readonly teacher?: string | undefined;
  readonly wire?: z.infer<typeof wire> | undefined;
  /** The short form of a term that learns from the teacher, in a stage of several peers. */
  readonly fromTeacher?: z.infer<typeof fromTeacher> | undefined;
  readonly onLate?: z.infer<typeof onLate> | undefined;
  /** The other peers of its stage, in the order of the recipe. */
  readonly others?: readonly string[] | undefined;
};
/** The loss of a stage, in its short form or in the long one. */
export type LossRecipe = TrainingStage['loss'];
export type Device = (typeof DEVICES)[number];
/** The device of one worker, and the most threads that it computes on. */
export interface Placement {
  readonly device: Device;
  readonly threads: number;
}
