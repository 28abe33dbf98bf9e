/** The size of each stage's work in steps and averages, as it follows from the number of students. Pure. */

import { columnBatch, columnsMaxOf, imagesPerStep as imagesOf } from '../config/batch.js';
import { peersOf, spellPeer, studentsOf } from '../config/peer.js';
import { countWorkers, type PeerRecipe, type Recipe } from '../config/schema.js';
import { isTrainingStage } from '../config/stage-kinds.js';
import { type RowShape, viewShape } from '../tensor/knowledge.js';
import { sizeOf } from '../tensor/tensor.js';

export interface WorkSize {
  readonly stage: string;
  /** The students that train other images at the same time: replicas that average. */
  readonly columns: number;
  /** Images of a step of all columns together. */
  readonly imagesPerStep: number;
  readonly stepsPerEpoch: number;
  /** Averages of the columns in an epoch; 0 with one column, which has nothing to average. */
  readonly averagesPerEpoch: number;
  readonly epochs: number;
  /** Whether the steps are the same for any number of students: `batch: { global }`. */
  readonly isGlobal: boolean;
  /** The students that have no image in a step of `batch: { global }`, and so do nothing in the stage. */
  readonly spare: number;
  /** By model that a teacher teaches (`stage`, or `stage.peer`): the bytes of knowledge that one step of one student takes from it. */
  readonly bytesFromTeacher: Readonly<Record<string, number>>;
  /** The bytes of the gathered batch that one step of one student takes from all others; 0 where no loss is over it, or its size is not known. */
  readonly bytesFromStudents: number;
}

/** By trained model, the knowledge that it takes; without models of which that is not known. */
export interface TakenKnowledge {
  /** From its teacher: the shapes of the tensors, without the batch. */
  readonly taught: Readonly<Record<string, readonly RowShape[]>>;
  /** From each other student that trains it, for a loss over the gathered batch: the numbers of one image. */
  readonly gathered: Readonly<Record<string, number>>;
}

/** The sizes of the stages that train, when the run has the students of the recipe. */
export function workSizes(
  recipe: Recipe,
  splitSizes: Readonly<Record<string, number>>,
  { taught, gathered }: TakenKnowledge = { taught: {}, gathered: {} },
): readonly WorkSize[] {
  const students = countWorkers(studentsOf(recipe));
  return Object.entries(recipe.stages).flatMap(([name, stage]) => {
    if (!isTrainingStage(stage)) return [];
    const full = 'replicas' in stage ? Math.max(1, Math.min(stage.replicas, Math.floor(students / peersOf(stage).size))) : students;
    const columns = Math.min(full, columnsMaxOf(stage.batch));
    const imagesPerStep = imagesOf(stage.batch, columns);
    const stepsPerEpoch = Math.ceil((splitSizes[stage.on] ?? 0) / imagesPerStep);
    const ofOne = columnBatch(stage.batch, { column: 0, columns });
    const bytes = [...peersOf(stage)].flatMap(([peer, { wire }]) => {
      const model = spellPeer({ stage: name, peer });
      return taught[model] === undefined ? [] : [[model, numbersOf(taught[model], ofOne) * bytesPerNumber(wire)] as const];
    });
    return [
      {
        ...{ stage: name, columns, imagesPerStep, stepsPerEpoch, epochs: stage.epochs },
        averagesPerEpoch: columns === 1 ? 0 : Math.ceil(stepsPerEpoch / stage.every),
        isGlobal: typeof stage.batch !== 'number',
        spare: (full - columns) * peersOf(stage).size,
        bytesFromTeacher: Object.fromEntries(bytes),
        bytesFromStudents: (gathered[name] ?? 0) * (imagesPerStep - ofOne) * bytesPerNumber('wire' in stage ? stage.wire : undefined),
      },
    ];
  });
}

/** The numbers in tensors of these shapes, about a view of this many samples. */
function numbersOf(shapes: readonly RowShape[], samples: number): number {
  return shapes.reduce((sum, shape) => sum + sizeOf(viewShape(shape, samples)), 0);
}

/** The bytes of a number of knowledge as it travels. */
function bytesPerNumber(wire: PeerRecipe['wire']): number {
  return wire === 'half' ? 2 : 4;
}

/** With fewer averages in an epoch a round is most of it: each student trains far away from the others. */
const IN_EPOCH_LEAST = 3;
/** With fewer averages in the whole stage, what the students learned apart has no time to grow together. */
const IN_STAGE_LEAST = 30;

/** The warnings about the size of the work. */
export function workWarnings(sizes: readonly WorkSize[]): readonly string[] {
  return [...seldomAverages(sizes), ...spareStudents(sizes)];
}

function spareStudents(sizes: readonly WorkSize[]): readonly string[] {
  return sizes.flatMap(({ stage, imagesPerStep, spare }) => {
    if (spare === 0) return [];
    const idle = spare === 1 ? '1 student has no image of a step, and does' : `${spare} students have no image of a step, and do`;
    return [
      `${stage}: batch has ${imagesPerStep} images for all students together: ${idle} nothing; give a larger batch or fewer students`,
    ];
  });
}

/** A warning for each stage whose students average so seldom that the result is another one than with one student. */
export function seldomAverages(sizes: readonly WorkSize[]): readonly string[] {
  return sizes
    .filter(({ columns, averagesPerEpoch, stepsPerEpoch, epochs }) => {
      // Students that average after each step learn as one.
      return (
        columns > 1 && averagesPerEpoch < stepsPerEpoch && averagesPerEpoch < IN_EPOCH_LEAST && averagesPerEpoch * epochs < IN_STAGE_LEAST
      );
    })
    .map(({ stage, columns, averagesPerEpoch, stepsPerEpoch }) => {
      const often = averagesPerEpoch === 1 ? 'once' : `${averagesPerEpoch} times`;
      return `${stage}: ${columns} students average ${often} in an epoch of ${stepsPerEpoch} steps, so the model learns otherwise than with one student; give a smaller every or batch`;
    });
}
