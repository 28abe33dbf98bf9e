/**
 * The two uses of the exchange within a step: what a cell gives, and what the answers of the others become. In mutual learning the cells of
 * a column give their logits, which are the other side of the loss; where a loss is over the gathered batch, the cells of a row give the
 * embeddings that it takes of their own samples, and of their teacher about them, which are the rest of the batch. Pure.
 */

import { assert, present } from '../../src/base/assert.js';
import { type GatheredSpecs, type StageLoss, sideFrom } from '../../src/losses/stage-loss.js';
import type { BatchPlace, LabelArrays, StepAnswerBatch } from '../../src/step/step-program.js';
import type { StepTraining } from '../../src/step/trainer.js';
import { type Knowledge, type KnowledgeSpec, type KnowledgeTensor, LOGITS_SPEC, specKey } from '../../src/tensor/knowledge.js';
import type { Taken } from './cell-exchange.js';
import { type GivenPart, partsOf } from './given-part.js';

/** The knowledge that a cell has of a step: that of its own model, as the loss takes it, and that of its teacher. */
export interface OwnKnowledge {
  readonly student: Knowledge;
  readonly fromTeacher: Knowledge;
  readonly labels: LabelArrays;
}

export interface ExchangeUse {
  /** The tensors that each cell gives. */
  readonly parts: readonly GivenPart[];
  /** Those tensors in a step. */
  given(own: OwnKnowledge): Knowledge;
  /** The place of the cell's samples in the gathered batch of this step, from 1; undefined where there is none. */
  placeAt(step: number): BatchPlace | undefined;
  /** The inputs of the second half of this step, given the answers of the others. */
  answersAt(step: number, own: OwnKnowledge, taken: Taken): StepAnswerBatch;
}

/** The logits of each cell, as a column gives them. */
export function logitsPart(classes: number): GivenPart {
  return { side: 'own', specs: [LOGITS_SPEC], shapes: [[classes]] };
}

/** The use in mutual learning. A cell that was not waited for has a stand-in: its weight is 0, so that it may be anything finite. */
export function columnUse(loss: Pick<StageLoss, 'sides'>, classes: number): ExchangeUse {
  const takes = sideFrom(loss, 'peers') !== null;
  const given = ({ student }: OwnKnowledge): Knowledge => student.slice(0, 1);
  return {
    parts: [logitsPart(classes)],
    given,
    placeAt: () => undefined,
    answersAt(_, own, taken) {
      const fromPeers = takes ? taken.flatMap((answer) => answer ?? given(own).map(blank)) : [];
      return { labels: own.labels, other: [...own.fromTeacher, ...fromPeers] };
    },
  };
}

function blank({ shape, data }: KnowledgeTensor): KnowledgeTensor {
  return { shape, data: new Float32Array(data.length) };
}

/** Another cell of the row. */
export interface RowMember {
  /** Whether its samples come before this cell's in the gathered batch. */
  readonly isBefore: boolean;
  /** The labels of each of its steps. */
  readonly labels: readonly LabelArrays[];
}

/** The use where a loss is over the gathered batch. `members`: the other cells of the row, in the order of the columns. */
export function rowUse({ loss, gatheredShapes }: StepTraining, members: readonly RowMember[]): ExchangeUse {
  const specs: GatheredSpecs = present(loss.gathered, 'a loss over the gathered batch');
  const shapes = present(gatheredShapes, 'the shapes of the gathered knowledge');
  const taught = loss.sides.flatMap((side) => side.specs);
  const labelsAt = (step: number, of: readonly RowMember[]) => of.map(({ labels }) => present(labels[step - 1], 'a step'));
  const rowsAt = (step: number, of: readonly RowMember[]) => labelsAt(step, of).reduce((sum, { classes }) => sum + classes.length, 0);
  const placeAt = (step: number): BatchPlace => {
    const before = members.filter(({ isBefore }) => isBefore);
    return { before: rowsAt(step, before), others: rowsAt(step, members) };
  };
  return {
    parts: [
      ...partsOf({ side: 'own', specs: specs.student, shapes: shapes.student }),
      ...partsOf({ side: 'other', specs: specs.other, shapes: shapes.other }),
    ],
    given: ({ student, fromTeacher }) => [...pick(specs.student, loss.student, student), ...pick(specs.other, taught, fromTeacher)],
    placeAt,
    answersAt(step, { fromTeacher, labels }, taken) {
      const answers = taken.map((answer) => present(answer, 'the answer of a cell that was waited for'));
      assert(answers.length === members.length, `${answers.length} answers of ${members.length} cells of the row`);
      const count = specs.student.length;
      const rowsOf = (from: number, specsOfSide: readonly KnowledgeSpec[]) =>
        specsOfSide.map((_, i) => joinRows(answers.map((answer) => present(answer[from + i], 'a tensor of the answer'))));
      return {
        labels,
        other: fromTeacher,
        rest: {
          before: placeAt(step).before,
          labels: joinLabels(labelsAt(step, members)),
          student: rowsOf(0, specs.student),
          other: rowsOf(count, specs.other),
        },
      };
    },
  };
}

/** The labels of all, one after the other. They are of one view, so all are mixed or none. */
function joinLabels(parts: readonly LabelArrays[]): LabelArrays {
  const mixed = parts.flatMap((part) => (part.mixed === null ? [] : [part.mixed]));
  return {
    classes: Int32Array.from(parts.flatMap(({ classes }) => [...classes])),
    mixed:
      mixed.length === 0
        ? null
        : {
            second: Int32Array.from(mixed.flatMap(({ second }) => [...second])),
            share: Float32Array.from(mixed.flatMap(({ share }) => [...share])),
          },
  };
}

function pick(wanted: readonly KnowledgeSpec[], specs: readonly KnowledgeSpec[], knowledge: Knowledge): Knowledge {
  const keys = specs.map(specKey);
  return wanted.map((spec) => present(knowledge[keys.indexOf(specKey(spec))], specKey(spec)));
}

/** The rows of all tensors, one tensor after the other. */
function joinRows(parts: Knowledge): KnowledgeTensor {
  const [, ...shape] = present(parts[0], 'a cell').shape;
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return { shape: [parts.reduce((sum, part) => sum + (part.shape[0] ?? 0), 0), ...shape], data };
}
