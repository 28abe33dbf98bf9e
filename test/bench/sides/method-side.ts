/**
 * A student's step by one method, in the rows of overheads: `method-side.js FOLDER METHOD auto|off`, FOLDER as written by
 * ../method-case.ts. The teacher answers before the first step, so that a step has its knowledge in memory: what the method costs the
 * student is measured, and not the teacher's pass, which is another machine's.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { present } from '../../../src/base/assert.js';
import { openEngine } from '../../../src/engines/catalogue.js';
import { messageOf } from '../../../src/errors/stillhouse-error.js';
import { knobsOfLoss, sideFrom } from '../../../src/losses/stage-loss.js';
import { buildModel } from '../../../src/nn/build.js';
import { batchKnowledge } from '../../../src/step/batch-knowledge.js';
import { batchSamples } from '../../../src/step/batch-samples.js';
import { loadTraining } from '../../../src/step/load-training.js';
import type { StepBatch, StepKnobs, StepProgram } from '../../../src/step/step-program.js';
import type { StepTraining } from '../../../src/step/trainer.js';
import { distilStage } from '../../support/training.js';
import { METHODS, type Method, type MethodCase, readMethodCase } from '../method-case.js';
import { type OurProgram, openOurProgram } from '../our-program.js';
import { profileEngine } from '../profile.js';
import { type KnowledgeBytes, Unusable } from '../protocol.js';
import type { GateAnswer } from '../row.js';
import { type StepwiseProgram, serveSide } from '../side-program.js';
import { bytesOf, type CaseModel, readBatches, readFloats } from '../training-case.js';

const ENGINE = 'tensorflow';
/** The images of CIFAR-100: a loss may keep a memory of them. */
const SAMPLES = 50_000;
/** After every warm-up of a weight. */
const MOMENT = { epoch: 100, epochs: 240 };

/** What a method's step starts from. */
interface Lesson {
  readonly description: MethodCase;
  readonly method: string;
  readonly knobs: StepKnobs;
  /** With the teacher's knowledge. */
  readonly batches: readonly StepBatch[];
  /** The student's parameters, and those of the method's adapters. */
  readonly start: Float32Array;
}

/** The first steps. */
interface Course {
  /** The cross-entropy with the labels in the first. */
  readonly crossEntropy: number;
  /** The mean loss of each. */
  readonly losses: readonly number[];
  /** After the first. */
  readonly parameters: Float32Array;
}

class MethodSide implements StepwiseProgram {
  readonly name: string;
  readonly knowledge: KnowledgeBytes;
  readonly #folder: string;
  readonly #lesson: Lesson;
  readonly #program: StepProgram;
  readonly #opByOp: Course;
  #next = 0;

  /** Runs a first step, to see how it runs; the gate begins anew. */
  constructor(folder: string, lesson: Lesson, { ours, opByOp }: { readonly ours: OurProgram; readonly opByOp: Course }) {
    this.#folder = folder;
    this.#lesson = lesson;
    this.#program = ours.program;
    this.#opByOp = opByOp;
    this.#program.writeParameters(lesson.start);
    this.step();
    this.name = ['Stillhouse', ENGINE, lesson.method, ours.describe()].join(' ');
    this.knowledge = {
      bytes: batchOf(lesson, 0).other.reduce((sum, { data }) => sum + data.byteLength, 0),
      reckoned: Float32Array.BYTES_PER_ELEMENT * methodNamed(lesson.method).reckon(lesson.description.batch),
    };
  }

  step(): void {
    this.#program.step(batchOf(this.#lesson, this.#next++), this.#lesson.knobs);
  }

  /** The first cross-entropy, then the losses of the steps, then those of the same steps op by op; the parameters after the first step of each. */
  gate(): GateAnswer {
    const { crossEntropy, losses, parameters } = runCourse(this.#program, this.#lesson);
    return {
      numbers: [crossEntropy, ...losses, ...this.#opByOp.losses],
      arrays: { parameters: this.#write('parameters', parameters), opByOp: this.#write('op-by-op', this.#opByOp.parameters) },
    };
  }

  profile() {
    return profileEngine(() => this.step());
  }

  #write(what: string, values: Float32Array): string {
    const file = join(this.#folder, `${this.#lesson.method}-${what}.f32`);
    writeFileSync(file, bytesOf(values));
    return file;
  }
}

function methodNamed(name: string): Method {
  return present(METHODS[name], `the method ${name}`);
}

/** The batches come round. */
function batchOf({ batches }: Lesson, step: number): StepBatch {
  return present(batches[step % batches.length], 'a batch');
}

function runCourse(program: StepProgram, lesson: Lesson): Course {
  program.writeParameters(lesson.start);
  program.resetSlots();
  const step = (i: number) => program.step(batchOf(lesson, i), lesson.knobs);
  const first = step(0);
  const parameters = program.readParameters();
  const rest = Array.from({ length: lesson.description.gateSteps - 1 }, (_, i) => step(i + 1));
  return {
    crossEntropy: present(first.terms.labels, 'the labels') / first.count,
    losses: [first, ...rest].map(({ lossSum, count }) => lossSum / count),
    parameters,
  };
}

/** The batches, each with what the method asks of the teacher. */
async function teach(description: MethodCase, training: StepTraining): Promise<readonly StepBatch[]> {
  const { inputShape, teacher } = description;
  const model = await modelOf(description, teacher);
  const { program } = openOurProgram({ engine: ENGINE, model, training: null, inputShape, precision: 'fp32', trace: 'off' });
  program.writeParameters(readFloats(teacher.arena));
  const specs = sideFrom(training.loss, 'teacher')?.specs ?? [];
  const batches = readBatches(description).map((samples, i) => ({
    ...samples,
    ...batchSamples(
      training,
      { seed: 1, epoch: 0 },
      Int32Array.from({ length: samples.size }, (_, place) => i * samples.size + place),
    ),
    other: batchKnowledge(program, { images: samples.images, labels: samples.labels.classes }, specs),
  }));
  program.dispose();
  model.dispose();
  return batches;
}

function modelOf({ inputShape, classes }: MethodCase, { name }: CaseModel) {
  return buildModel({ name, options: {} }, { inputShape, classes, seed: 1 });
}

/** Runs the course op by op, and opens the program that is measured. */
async function open(): Promise<MethodSide> {
  const [folder = '', method = '', trace = ''] = process.argv.slice(2);
  const description = readMethodCase(folder);
  await openEngine(ENGINE).catch((error: unknown) => {
    throw new Unusable(messageOf(error));
  });
  const { rate, momentum, weightDecay, inputShape, student } = description;
  const optimizer = { name: 'sgd', rate, momentum, nesterov: false, weightDecay, decayAll: true } as const;
  const stage = { ...distilStage({ optimizer }), loss: methodNamed(method).loss };
  const model = await modelOf(description, student);
  const training = await loadTraining(stage, {
    model,
    seed: 1,
    samples: SAMPLES,
    buildTeacher: () => modelOf(description, description.teacher),
  });
  const batches = await teach(description, training);
  const programOf = (wanted: 'auto' | 'off') =>
    openOurProgram({ engine: ENGINE, model, training, inputShape, precision: 'fp32', trace: wanted });
  const { program } = programOf('off');
  // Behind the model's parameters are those of adapters, as they begin.
  const start = program.readParameters();
  start.set(readFloats(student.arena));
  const lesson: Lesson = { description, method, batches, start, knobs: { rate, loss: knobsOfLoss(training.loss, MOMENT) } };
  const opByOp = runCourse(program, lesson);
  program.dispose();
  return new MethodSide(folder, lesson, { ours: programOf(trace === 'off' ? 'off' : 'auto'), opByOp });
}

await serveSide(open);
