/** The memory that a cut step keeps between its two halves, in bytes: op by op, and as a graph. */

import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { StepProgram } from '../../src/step/step-program.js';
import { buildTensorStep } from '../../src/step/tensor-step.js';
import type { StepTraining } from '../../src/step/trainer.js';
import { sizeOf } from '../../src/tensor/tensor.js';
import { cutRecording } from '../../src/trace/cut.js';
import { nameForFusion } from '../../src/trace/fusion.js';
import { DATA_TYPE, type Recording, typeOfValue, type Value } from '../../src/trace/recording.js';
import { answerFeeds, imageFeeds, recordTrain, sampleBatch, sampleKnobs } from '../../src/trace/step-recording.js';

interface Info {
  readonly bytes: number;
}

/** Counts the bytes of all tensors that are made or disposed from now on, each buffer once: several tensors may share one. */
export class BufferWatch {
  bytes = 0;
  readonly #infos: WeakMap<object, Info>;

  constructor() {
    // tfjs's own count of bytes has a buffer as often as it has tensors.
    const { tensorInfo } = tf.engine().state as unknown as { tensorInfo: WeakMap<object, Info> };
    this.#infos = tensorInfo;
    const { set, delete: remove } = WeakMap.prototype;
    tensorInfo.set = (id, info: Info) => {
      this.bytes += info.bytes;
      return set.call(tensorInfo, id, info) as WeakMap<object, Info>;
    };
    tensorInfo.delete = (id) => {
      this.bytes -= tensorInfo.get(id)?.bytes ?? 0;
      return remove.call(tensorInfo, id);
    };
  }

  /** Counts no more. */
  stop(): void {
    Reflect.deleteProperty(this.#infos, 'set');
    Reflect.deleteProperty(this.#infos, 'delete');
  }
}

/** The bytes of the tensors that a program, which runs op by op, keeps after the first half of a step. The step has no second half. */
export function heldOpByOp(program: StepProgram, images: Float32Array, size: number): number {
  const watch = new BufferWatch();
  program.forward(images, size);
  const { bytes } = watch;
  program.abandon();
  watch.stop();
  return bytes;
}

export interface HeldGraphOptions {
  /** No other step may train it. Its weights change. */
  readonly model: LayersModel;
  readonly training: StepTraining;
  readonly inputShape: readonly [number, number, number];
  readonly images: Float32Array;
  readonly size: number;
}

/** The bytes of the tensors that cross the cut of a step's graph. The engine `tensorflow` must be open. Throws TraceRefusal. */
export function heldAsGraph({ model, training, inputShape, images, size }: HeldGraphOptions): number {
  const step = buildTensorStep({ model, training });
  try {
    const pixels = imageFeeds(images, size, inputShape);
    const answers = answerFeeds(sampleBatch(step, { images, size }), step.nextKnobs(sampleKnobs(training)));
    const { recording, cutAt } = recordTrain(step, { feeds: { ...pixels, ...answers }, form: 'cut', place: null });
    const { first, stashFrom } = cutRecording(nameForFusion(recording), cutAt, Object.keys(pixels));
    const kept = first.assignments.slice(stashFrom).flatMap((value) => (value === null ? [] : [bufferOf(first, value)]));
    const buffers = new Map(kept.map((value) => [JSON.stringify(value), typeOfValue(first, value)]));
    return [...buffers.values()].reduce((sum, { shape, dtype }) => sum + sizeOf([...shape]) * (dtype === DATA_TYPE.bool ? 1 : 4), 0);
  } finally {
    step.dispose();
  }
}

/** The value whose memory a value is in: TensorFlow does not copy for a Reshape. */
function bufferOf(recording: Recording, value: Value): Value {
  const operation = value.from === 'operation' ? recording.operations[value.index] : undefined;
  const source = operation?.op === 'Reshape' || operation?.op === 'Identity' ? operation.inputs[0] : undefined;
  return source === undefined ? value : bufferOf(recording, source);
}
