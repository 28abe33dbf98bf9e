/** A teacher that answers batches of many sizes: few graphs, padded requests, the eager program's logits. */

import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { openEngine } from '../../src/engines/catalogue.js';
import { buildEagerStep } from '../../src/step/eager-step.js';
import type { StepProgram } from '../../src/step/step-program.js';
import type { TraceNotice } from '../../src/trace/trace-notice.js';
import { buildTracedStep } from '../../src/trace/traced-step.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { CLASSES, countNativeCalls, INPUT_SHAPE, openSessions } from '../support/trace-parity.js';
import { noiseBatch, normModel } from '../support/training.js';

const imagesOf = (size: number, seed = size) => noiseBatch(seed, { size, inputShape: INPUT_SHAPE, classes: CLASSES }).images;

interface Teachers {
  readonly eager: StepProgram;
  readonly traced: StepProgram;
  readonly notices: TraceNotice[];
  dispose(): void;
}

function openTeachers(): Teachers {
  const model = normModel(INPUT_SHAPE, CLASSES, 1);
  const notices: TraceNotice[] = [];
  const options = { model, training: null, inputShape: INPUT_SHAPE };
  const eager = buildEagerStep(options);
  const traced = buildTracedStep({ ...options, precision: 'fp32', onNotice: (notice) => notices.push(notice) });
  const dispose = () => {
    for (const made of [eager, traced, model]) made.dispose();
  };
  return { eager, traced, notices, dispose };
}

function expectSameLogits({ eager, traced }: Teachers, size: number, seed?: number): void {
  const images = imagesOf(size, seed);
  const expected = eager.predict(images, size);
  const found = traced.predict(images, size);
  expect(found.length).toBe(size * CLASSES);
  const worst = found.reduce((most, logit, i) => Math.max(most, Math.abs(logit - expected[i]!)), 0);
  expect(worst, `${size} images`).toBeLessThan(1e-5);
}

describeTensorflow('a teacher of many sizes', () => {
  beforeAll(() => openEngine('tensorflow'));

  test('1 to 40 images, eagerly and traced, are answered as by the eager program', () => {
    const teachers = openTeachers();
    for (let size = 1; size <= 40; size++) for (let repeat = 0; repeat < 3; repeat++) expectSameLogits(teachers, size, 100 * repeat + size);
    const traced = teachers.notices.map(({ size, traced: isTraced }) => (isTraced ? size : `not ${size}`));
    const exact = Array.from({ length: 16 }, (_, i) => i + 1);
    expect(traced).toEqual([...exact, 18, 20, 22, 24, 26, 28, 30, 32, 36, 40]);
    // Requests of 33 to 36 go to one graph, each by one call.
    for (const size of [33, 34, 36])
      expect(countNativeCalls(() => teachers.traced.predict(imagesOf(size), size)).calls).toEqual({ runSavedModel: 1 });
    expect(openSessions()).toBe(4);
    teachers.dispose();
    expect(openSessions()).toBe(0);
  });

  test('the rows of requests of one size class do not depend on the rows beside them, nor on what was asked before', () => {
    const teachers = openTeachers();
    const full = imagesOf(36);
    for (let repeat = 0; repeat < 3; repeat++) teachers.traced.predict(full, 36);
    // Padded to 36 with zeros.
    const images = full.slice(0, 33 * (full.length / 36));
    const first = teachers.traced.predict(images, 33);
    expect(teachers.traced.predict(full, 36).subarray(0, 33 * CLASSES)).toEqual(first);
    teachers.traced.predict(
      imagesOf(36, 5).map((pixel) => 1e6 * pixel),
      36,
    );
    expect(teachers.traced.predict(images, 33)).toEqual(first);
    teachers.dispose();
  });

  test('new parameters close the graphs of the old, and are answered with at once', () => {
    const teachers = openTeachers();
    const { eager, traced } = teachers;
    for (let repeat = 0; repeat < 3; repeat++) for (const size of [8, 3]) expectSameLogits(teachers, size);
    expect(openSessions()).toBe(2);
    const before = traced.predict(imagesOf(8), 8);
    const arena = traced.readParameters().map((value) => 1.1 * value + 0.01);
    for (const program of [eager, traced]) program.writeParameters(arena);
    expect(openSessions()).toBe(0);
    expectSameLogits(teachers, 8);
    expect(traced.predict(imagesOf(8), 8)).not.toEqual(before);
    expect(
      traced.evaluate(
        imagesOf(8),
        Int32Array.from({ length: 8 }, (_, i) => i % CLASSES),
        8,
      ).count,
    ).toBe(8);
    teachers.dispose();
  });

  test('300 requests leave nothing behind', () => {
    const teachers = openTeachers();
    const images = imagesOf(7);
    teachers.traced.predict(images, 7);
    const before = { ...tf.memory() };
    const { calls } = countNativeCalls(() => {
      for (let i = 0; i < 300; i++) teachers.traced.predict(images, 7);
    });
    expect(calls).toEqual({ runSavedModel: 300 });
    expect({ ...tf.memory() }).toEqual(before);
    teachers.dispose();
  });
});
