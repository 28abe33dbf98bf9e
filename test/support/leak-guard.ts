/**
 * Fails a test that leaves tensors or sessions behind: what a test makes it disposes, what its `beforeAll` makes is not counted. A
 * setup file of vitest. It loads nothing: a test without tfjs costs nothing.
 */

import { afterEach, beforeEach, expect } from 'vitest';

interface Backend {
  numDataIds(): number;
  /** Handles of libtensorflow. Only the backend `tensorflow` has it. */
  getNumOfTFTensors?(): number;
  readonly binding?: { getNumOfSavedModels(): number };
}

/** What of tfjs's engine is looked at; its state and its backends have no public door. */
interface Engine {
  readonly state: { readonly numTensors: number; readonly numDataBuffers: number };
  readonly registry: Readonly<Record<string, Backend>>;
}

export interface TensorCounts {
  readonly tensors: number;
  readonly dataBuffers: number;
  /** Data of the backends: what a kernel leaves behind shows here alone. */
  readonly backendData: number;
  /** Handles of libtensorflow beyond those that belong to data. */
  readonly orphanHandles: number;
  /** Graphs of libtensorflow that are open. */
  readonly sessions: number;
}

/** Of the engine that tfjs keeps in a global; zeros when tfjs is not loaded. */
export function countTensors(): TensorCounts {
  const engine = (globalThis as { _tfengine?: Engine })._tfengine;
  if (engine === undefined) return { tensors: 0, dataBuffers: 0, backendData: 0, orphanHandles: 0, sessions: 0 };
  const backends = Object.values(engine.registry);
  return {
    tensors: engine.state.numTensors,
    dataBuffers: engine.state.numDataBuffers,
    backendData: backends.reduce((sum, backend) => sum + backend.numDataIds(), 0),
    // Data may have no handle yet: tfjs makes it when the data is first used. More handles than data are orphans.
    orphanHandles: backends.reduce((sum, backend) => sum + Math.max(0, (backend.getNumOfTFTensors?.() ?? 0) - backend.numDataIds()), 0),
    sessions: backends.reduce((sum, backend) => sum + (backend.binding?.getNumOfSavedModels() ?? 0), 0),
  };
}

let before = countTensors();

beforeEach(() => {
  before = countTensors();
});

// Hooks of the test file itself run before this one.
afterEach(({ task }) => {
  // A test that has failed had no time to tidy up.
  if (task.result?.state === 'fail') return;
  expect(countTensors(), 'the test leaves tensors or sessions behind: dispose what it makes').toEqual(before);
});
