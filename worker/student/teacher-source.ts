/** The linked teachers as the other side of a stage's loss. It follows their links for as long as it is open. */

import type { CoordinatorMessageOf, EngineAddress } from '../../src/protocol/control.js';
import type { KnowledgeSpec } from '../../src/tensor/knowledge.js';
import type { EngineContext } from '../kit/context.js';
import type { TrainingModel } from '../kit/stage-model.js';
import { DATA_TIMING } from '../kit/timing.js';
import type { SampleView } from '../kit/view.js';
import { askTeacher, type WantedKnowledge } from './ask-teacher.js';
import type { KnowledgeSource } from './knowledge-source.js';
import { KnowledgeStream } from './knowledge-stream.js';
import type { TeacherLinks } from './teacher-links.js';

export interface TeacherUse {
  readonly context: EngineContext;
  /** The model that is taught. */
  readonly model: TrainingModel;
  readonly assign: CoordinatorMessageOf<'coordinator.assign'>;
}

/** The knowledge that is wanted of the teachers. */
export interface WantedOfTeachers {
  readonly views: readonly SampleView[];
  readonly specs: readonly KnowledgeSpec[];
}

/** The knowledge of these views, in order, from the teachers of the stage. One source at a time may be open: it takes the links. */
export function openTeachers(
  { context, model, assign }: TeacherUse,
  { views, specs }: WantedOfTeachers,
  links: TeacherLinks,
): KnowledgeSource {
  const { round } = assign;
  const { stage } = assign.base.state;
  const { otherShapes } = model.training;
  const half = model.stage.wire === 'half';
  // The teacher's shapes come first: it is the first of the sides.
  const wanted: WantedKnowledge = { specs, shapes: otherShapes.slice(0, specs.length), half };
  const ask = (teacher: EngineAddress, view: SampleView) => {
    return askTeacher({ context, stage, round, step: views.indexOf(view) + 1, wanted }, teacher, view);
  };
  const stream = new KnowledgeStream({ views, teachers: links.of(stage), clock: context.clock, timing: DATA_TIMING, ask });
  links.follow(stream);
  return {
    next: () => stream.next(),
    close() {
      links.follow(null);
      stream.close();
    },
  };
}
