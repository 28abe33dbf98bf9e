/** Ours in the training rows: `training-side.js FOLDER ENGINE auto|off`, FOLDER as written by ../training-case.ts. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineName } from '../../../src/config/schema.js';
import { openEngine } from '../../../src/engines/catalogue.js';
import { messageOf } from '../../../src/errors/stillhouse-error.js';
import { buildModel } from '../../../src/nn/build.js';
import type { StepProgram } from '../../../src/step/step-program.js';
import type { StepTraining } from '../../../src/step/trainer.js';
import { type Knowledge, LOGITS_SPEC } from '../../../src/tensor/knowledge.js';
import { distilStage, knobsOf, trainingOf, trainStage } from '../../support/training.js';
import { type OurProgram, openOurProgram } from '../our-program.js';
import { profileEngine } from '../profile.js';
import { Unusable } from '../protocol.js';
import type { GateAnswer } from '../row.js';
import { type SideProgram, type StepwiseProgram, serveSide } from '../side-program.js';
import { bytesOf, type CaseModel, readBatches, readFloats, readTrainingCase, type Samples, type TrainingCase } from '../training-case.js';

interface Programs {
  readonly teacher: OurProgram;
  readonly student: OurProgram;
  readonly engine: string;
}

class TrainingSide implements StepwiseProgram {
  readonly name: string;
  readonly #folder: string;
  readonly #case: TrainingCase;
  readonly #teacher: StepProgram;
  readonly #student: StepProgram;
  readonly #studentStart: Float32Array;
  readonly #batches: readonly Samples[];
  #next = 0;

  /** Runs a first step, to see how it runs: whatever it changes is put back by the gate. */
  constructor(folder: string, { teacher, student, engine }: Programs) {
    this.#folder = folder;
    this.#case = readTrainingCase(folder);
    this.#teacher = teacher.program;
    this.#student = student.program;
    this.#studentStart = readFloats(this.#case.student.arena);
    this.#teacher.writeParameters(readFloats(this.#case.teacher.arena));
    this.#student.writeParameters(this.#studentStart);
    this.#batches = readBatches(this.#case);
    this.step();
    const how = [...new Set([teacher.describe(), student.describe()])].filter((words) => words !== null);
    this.name = ['Stillhouse', engine, how.join(' and ')].join(' ');
  }

  step(): void {
    if (this.#case.kind === 'teacher-forward') this.#teach(this.#nextBatch());
    else this.#update();
  }

  /** Losses of the first steps and the parameters after the first; of the teacher its first logits. */
  gate(): GateAnswer {
    this.#next = 0;
    if (this.#case.kind === 'teacher-forward') {
      const logits = this.#teach(this.#nextBatch());
      const size = logits.reduce((sum, logit) => sum + Math.abs(logit), 0) / logits.length;
      return { numbers: [size], arrays: { logits: this.#write(logits) } };
    }
    this.#student.writeParameters(this.#studentStart);
    this.#student.resetSlots();
    const numbers = [this.#update()];
    const parameters = this.#write(this.#student.readParameters());
    while (numbers.length < this.#case.gateSteps) numbers.push(this.#update());
    return { numbers, arrays: { parameters } };
  }

  profile() {
    return profileEngine(() => this.step());
  }

  #teach({ images, size }: Samples): Float32Array {
    return this.#ask(images, size)[0]!.data;
  }

  /** As a teacher is asked by a student. */
  #ask(images: Float32Array, size: number): Knowledge {
    return this.#teacher.answer(images, size, [LOGITS_SPEC]);
  }

  /** The mean loss. */
  #update(): number {
    const samples = this.#nextBatch();
    const isTaught = this.#case.kind === 'kd-step';
    const other = isTaught ? this.#ask(samples.images, samples.size) : [];
    const { rate, temperature, alpha } = this.#case.knobs;
    const { lossSum, count } = this.#student.step({ ...samples, other }, knobsOf({ rate, temperature, alpha: isTaught ? alpha : 0 }));
    return lossSum / count;
  }

  #nextBatch(): Samples {
    const samples = this.#batches[this.#next];
    if (samples === undefined) throw new Error('a case has batches');
    this.#next = (this.#next + 1) % this.#batches.length;
    return samples;
  }

  #write(values: Float32Array): string {
    const file = join(this.#folder, 'gate-ours.f32');
    writeFileSync(file, bytesOf(values));
    return file;
  }
}

function trainingOfCase({ kind, knobs, momentum, weightDecay, classes }: TrainingCase): StepTraining {
  const optimizer = { name: 'sgd', rate: knobs.rate, momentum, nesterov: false, weightDecay, decayAll: true } as const;
  return trainingOf(kind === 'kd-step' ? distilStage({ optimizer }) : trainStage({ optimizer }), classes);
}

async function open(): Promise<SideProgram> {
  const [folder = '', engine = '', trace = ''] = process.argv.slice(2);
  const description = readTrainingCase(folder);
  await openEngine(engine as EngineName).catch((error: unknown) => {
    throw new Unusable(messageOf(error));
  });
  const programOf = async ({ name }: CaseModel, training: StepTraining | null): Promise<OurProgram> => {
    const { inputShape, classes, precision } = description;
    const model = await buildModel({ name, options: {} }, { inputShape, classes, seed: 1 });
    return openOurProgram({
      engine: engine as EngineName,
      model,
      training,
      inputShape,
      precision,
      trace: trace === 'off' ? 'off' : 'auto',
    });
  };
  const teacher = await programOf(description.teacher, null);
  const student = await programOf(description.student, trainingOfCase(description));
  return new TrainingSide(folder, { teacher, student, engine });
}

await serveSide(open);
