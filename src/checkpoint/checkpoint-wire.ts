/** The tensors of a `checkpoint.put`: those of the state, and the topology of its model as a uint8 tensor. */

import { type StateTensors, stateFromWire, stateToWire } from '../tensor/state-tensors.js';
import type { WireTensor } from '../tensor/tensor.js';
import { parameterCountOf, readTopology } from '../tensor/topology.js';
import type { CheckpointContent } from './read-checkpoint.js';

/** The name of the tensor that holds the topology's bytes. */
const TOPOLOGY = 'topology';

type Tensors = Pick<CheckpointContent, 'tensors' | 'topology'>;

/** The tensors of the message. They must not change until it is sent. */
export function putToWire({ tensors, topology }: Tensors): WireTensor[] {
  return [...stateToWire(tensors), { name: TOPOLOGY, dtype: 'uint8', shape: [topology.length], data: topology }];
}

/** The content of the message; when it is not that of a checkpoint whose topology describes its parameters, the fault in words. */
export function putFromWire(wire: readonly WireTensor[]): Tensors | string {
  const tensors = stateFromWire(wire.filter(({ name }) => name !== TOPOLOGY));
  if (typeof tensors === 'string') return `a checkpoint is the tensors of a state: ${tensors}`;
  const described = wire.filter(({ name }) => name === TOPOLOGY);
  const [first] = described;
  if (described.length !== 1 || !(first?.data instanceof Uint8Array) || first.shape.length !== 1) {
    return `a checkpoint has one tensor ${TOPOLOGY}, uint8 [bytes]`;
  }
  const problem = problemOf(first.data, tensors);
  return problem === null ? { tensors, topology: first.data } : `the topology of a checkpoint: ${problem}`;
}

function problemOf(bytes: Uint8Array, tensors: StateTensors): string | null {
  const topology = readTopology(bytes);
  if (typeof topology === 'string') return topology;
  const described = parameterCountOf(topology);
  const sent = tensors.get('parameters')?.length ?? 0;
  return described === sent ? null : `it describes ${described} parameters, and ${sent} were sent`;
}
