/**
 * The reference of mutual learning: all peers of a stage in one process, without a wire. Each step is forward of every peer, then
 * backward of every peer with the logits of the others, and of the teacher, where the stage has one.
 */

import type { LayersModel } from '@tensorflow/tfjs-layers';
import { present } from '../../src/base/assert.js';
import { columnBatchMax } from '../../src/config/batch.js';
import { peerNamed, peerRecipe, peersOf } from '../../src/config/peer.js';
import type { EngineName, EngineRecipe, PeerRecipe, Recipe } from '../../src/config/schema.js';
import { assembleBatch } from '../../src/data/batch.js';
import { loadSplit } from '../../src/data/dataset.js';
import type { SampleSource } from '../../src/data/sample-source.js';
import { totalOf } from '../../src/data/shard-plan.js';
import { lossKnobsAt } from '../../src/losses/loss-plan.js';
import { buildModel } from '../../src/nn/build.js';
import { rateAt } from '../../src/optim/schedule.js';
import { buildStep } from '../../src/programs/choose-step.js';
import type { Range } from '../../src/protocol/field.js';
import { loadTraining } from '../../src/step/load-training.js';
import type { StepProgram } from '../../src/step/step-program.js';
import type { StepTraining } from '../../src/step/trainer.js';
import { LOGITS_SPEC } from '../../src/tensor/knowledge.js';
import { initialSeed, type SampleView, testView, trainingView } from '../../worker/kit/view.js';
import { planBatches } from '../../worker/student/batch-plan.js';

interface Peer {
  readonly name: string;
  readonly recipe: PeerRecipe;
  readonly program: StepProgram;
  readonly training: StepTraining;
  dispose(): void;
}

/** A model that teaches. */
interface Served {
  readonly model: LayersModel;
  readonly program: StepProgram;
}

export interface CohortOptions {
  /** The engine that is open; if not given, cpu. */
  readonly engine?: EngineName;
  /** Whether steps run as graphs where the engine takes them; if not given, they do. */
  readonly trace?: EngineRecipe['trace'];
  /** The parameters of the model that teaches the peers too. */
  readonly taughtBy?: Float32Array | undefined;
}

/** The cells of one column: a model of each peer. */
export class Cohort {
  readonly #recipe: Recipe;
  readonly #split: SampleSource;
  readonly #peers: readonly Peer[];
  readonly #teacher: Served | null;

  private constructor(recipe: Recipe, split: SampleSource, models: { readonly peers: readonly Peer[]; readonly teacher: Served | null }) {
    this.#recipe = recipe;
    this.#split = split;
    this.#peers = models.peers;
    this.#teacher = models.teacher;
  }

  static async open(recipe: Recipe, stage: string, { engine = 'cpu', trace = 'auto', taughtBy }: CohortOptions = {}): Promise<Cohort> {
    const peers = [...peersOf(present(recipe.stages[stage], stage))];
    const split = await loadSplit(recipe.data, present(peers[0], 'a peer')[1].on);
    const inputShape = [split.height, split.width, split.channels] as const;
    const build = { engine, wanted: { trace, precision: 'fp32' }, inputShape, onNotice() {} } as const;
    const modelOf = (name: string, seed: number) =>
      buildModel(present(recipe.models[name], name), { inputShape, classes: split.classes, seed });
    const opened: Peer[] = [];
    for (const [name, own] of peers) {
      const seed = initialSeed(recipe, { model: own.model, peer: name });
      const model = await modelOf(own.model, seed);
      const training = await loadTraining(own, { model, seed, buildTeacher: () => Promise.reject(new Error('nobody teaches')) });
      const program = buildStep({ ...build, model, training });
      const dispose = () => {
        program.dispose();
        model.dispose();
      };
      opened.push({ name, recipe: own, program, training, dispose });
    }
    const { teacher } = present(peers[0], 'a peer')[1];
    const taught = teacher === undefined ? null : present(peerRecipe(recipe, peerNamed(teacher)), teacher);
    const model = taught === null ? null : await modelOf(taught.model, 1);
    const program = model === null ? null : buildStep({ ...build, model, training: null });
    if (program !== null) program.writeParameters(present(taughtBy, 'the parameters of the teacher'));
    return new Cohort(recipe, split, { peers: opened, teacher: model === null || program === null ? null : { model, program } });
  }

  /** Trains these ranges of a round that begins after `committed` samples and has `roundSamples` over all columns. */
  train(ranges: readonly Range[], { committed, roundSamples = totalOf(ranges) }: { committed: number; roundSamples?: number }): void {
    const batch = columnBatchMax(present(this.#peers[0], 'a peer').recipe.batch);
    let done = 0;
    for (const view of planBatches({ ranges, size: this.#split.count, batch, seed: this.#recipe.seed })) {
      this.#step(view, committed + (done * roundSamples) / totalOf(ranges));
      done += view.samples.length;
    }
  }

  parametersOf(peer: string): Float32Array {
    return this.#programOf(peer).readParameters();
  }

  /** The optimiser's state. */
  slotsOf(peer: string): Float32Array {
    return this.#programOf(peer).readSlots();
  }

  writeParameters(peer: string, arena: Float32Array): void {
    this.#programOf(peer).writeParameters(arena);
  }

  writeSlots(peer: string, slots: Float32Array): void {
    this.#programOf(peer).writeSlots(slots);
  }

  /** The number of images of a split of which the two peers say the same class. */
  async sameClasses(name: string, peers: readonly [string, string]): Promise<number> {
    const split = await loadSplit(this.#recipe.data, name);
    const samples = Int32Array.from({ length: split.count }, (_, i) => i);
    const out = {
      images: new Float32Array(split.count * split.height * split.width * split.channels),
      labels: new Int32Array(split.count),
    };
    assembleBatch({ store: split.store, view: testView(this.#recipe), samples, out });
    const classes = peers.map((peer) => {
      const logits = this.#programOf(peer).predict(out.images, split.count);
      return Array.from({ length: split.count }, (_, row) => {
        const own = [...logits.subarray(row * split.classes, (row + 1) * split.classes)];
        return own.indexOf(Math.max(...own));
      });
    });
    return classes[0]!.filter((value, row) => value === classes[1]![row]).length;
  }

  dispose(): void {
    for (const peer of this.#peers) peer.dispose();
    this.#teacher?.program.dispose();
    this.#teacher?.model.dispose();
  }

  #programOf(name: string): StepProgram {
    return present(
      this.#peers.find((peer) => peer.name === name),
      name,
    ).program;
  }

  #step({ epoch, samples }: SampleView, done: number): void {
    const size = samples.length;
    const { height, width, channels, count } = this.#split;
    const images = new Float32Array(size * height * width * channels);
    const classes = new Int32Array(size);
    const { recipe } = present(this.#peers[0], 'a peer');
    const view = trainingView(this.#recipe, recipe, epoch);
    assembleBatch({ store: this.#split.store, view, samples, out: { images, labels: classes } });
    const fromTeacher = this.#teacher?.program.answer(images, size, [LOGITS_SPEC]) ?? [];
    const logits = this.#peers.map(({ program }) => present(program.forward(images, size)[0], 'logits'));
    for (const [i, { program, training, recipe: own }] of this.#peers.entries()) {
      const other = [...fromTeacher, ...logits.filter((_, j) => j !== i)];
      const knobs = {
        rate: rateAt(own, { samples: done, samplesPerEpoch: count }),
        loss: lossKnobsAt(training.loss.plan, { epoch: done / count, epochs: own.epochs }),
      };
      program.backward({ labels: { classes, mixed: null }, other }, knobs);
    }
  }
}

/** Averages a peer among the columns, as replicas do: a sum in the order of the columns, weighted by samples. Slots stay as they are. */
export function averageCohorts(columns: readonly Cohort[], peer: string, samples: readonly number[]): void {
  const arenas = columns.map((column) => column.parametersOf(peer));
  const total = samples.reduce((sum, count) => sum + count, 0);
  const sumAt = (i: number) => arenas.reduce((sum, arena, column) => sum + present(samples[column], 'samples') * arena[i]!, 0);
  const average = present(arenas[0], 'a column').map((_, i) => sumAt(i) / total);
  for (const column of columns) column.writeParameters(peer, average);
}
