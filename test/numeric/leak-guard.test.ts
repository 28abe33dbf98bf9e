import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { openEngine } from '../../src/engines/catalogue.js';
import { countTensors } from '../support/leak-guard.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';

interface Backend {
  write(values: Float32Array, shape: number[], dtype: 'float32'): object;
  disposeData(data: object): void;
}

/** How many more there are while something is kept. */
function growth(keep: () => () => void) {
  const before = countTensors();
  const release = keep();
  const { tensors, backendData, orphanHandles } = countTensors();
  release();
  expect(countTensors()).toEqual(before);
  return {
    tensors: tensors - before.tensors,
    backendData: backendData - before.backendData,
    orphanHandles: orphanHandles - before.orphanHandles,
  };
}

describe.each(['cpu', 'wasm'] as const)('the guard against leaks on %s', (engine) => {
  test('sees a tensor, and data that a kernel leaves without one', async () => {
    await openEngine(engine);
    const keepTensor = () => {
      const tensor = tf.scalar(1);
      return () => tensor.dispose();
    };
    const keepData = () => {
      const backend = tf.engine().backend as unknown as Backend;
      const data = backend.write(new Float32Array(1), [1], 'float32');
      return () => backend.disposeData(data);
    };
    expect(growth(keepTensor)).toEqual({ tensors: 1, backendData: 1, orphanHandles: 0 });
    expect(growth(keepData)).toEqual({ tensors: 0, backendData: 1, orphanHandles: 0 });
  });
});

describeTensorflow('the guard against leaks on tensorflow', () => {
  test('sees a handle that no data belongs to', async () => {
    await openEngine('tensorflow');
    const keepHandle = () => {
      const { binding } = tf.engine().backend as unknown as {
        binding: {
          TF_FLOAT: number;
          createTensor(shape: number[], type: number, values: Float32Array): number;
          deleteTensor(id: number): void;
        };
      };
      const id = binding.createTensor([1], binding.TF_FLOAT, new Float32Array(1));
      return () => binding.deleteTensor(id);
    };
    expect(growth(keepHandle)).toEqual({ tensors: 0, backendData: 0, orphanHandles: 1 });
  });
});
