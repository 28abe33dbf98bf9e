/** The tensors of a `checkpoint.put`: a part of those of the state, and with the last part the topology of its model as a uint8 tensor. */

import {
  type ElementRange,
  elementsOf,
  type FilledPiece,
  layoutOf,
  layoutProblem,
  partFromWire,
  partToWire,
  type StateLayout,
} from '../tensor/state-parts.js';
import type { WireTensor } from '../tensor/tensor.js';
import { parameterCountOf, readTopology } from '../tensor/topology.js';
import type { CheckpointContent } from './read-checkpoint.js';
import type { CheckpointPart } from './store.js';

/** The name of the tensor that holds the topology's bytes. */
const TOPOLOGY = 'topology';

/** The tensors of the message with this part. They must not change until it is sent. */
export function putToWire({ tensors, topology }: Pick<CheckpointContent, 'tensors' | 'topology'>, part: ElementRange): WireTensor[] {
  const pieces = partToWire(tensors, part);
  const isLast = part.end === elementsOf(layoutOf(tensors));
  return isLast ? [...pieces, { name: TOPOLOGY, dtype: 'uint8', shape: [topology.length], data: topology }] : pieces;
}

/** The content of the message; when it is not that of a part of a checkpoint whose topology describes its parameters, the fault in words. */
export function putFromWire(
  { layout, start }: { readonly layout: StateLayout; readonly start: number },
  wire: readonly WireTensor[],
): Pick<CheckpointPart, 'pieces' | 'topology'> | string {
  const described = wire.filter(({ name }) => name === TOPOLOGY);
  const pieces =
    layoutProblem(layout) ??
    partFromWire(
      layout,
      start,
      wire.filter(({ name }) => name !== TOPOLOGY),
    );
  if (typeof pieces === 'string') return `a checkpoint is the tensors of a state: ${pieces}`;
  if (start + lengthOf(pieces) < elementsOf(layout)) {
    return described.length === 0 ? { pieces, topology: null } : `the tensor ${TOPOLOGY} of a checkpoint comes with its last part`;
  }
  const [first] = described;
  if (described.length !== 1 || !(first?.data instanceof Uint8Array) || first.shape.length !== 1) {
    return `a checkpoint has one tensor ${TOPOLOGY}, uint8 [bytes]`;
  }
  const problem = problemOf(first.data, layout);
  return problem === null ? { pieces, topology: first.data } : `the topology of a checkpoint: ${problem}`;
}

function lengthOf(pieces: readonly FilledPiece[]): number {
  return pieces.reduce((sum, { data }) => sum + data.length, 0);
}

function problemOf(bytes: Uint8Array, layout: StateLayout): string | null {
  const topology = readTopology(bytes);
  if (typeof topology === 'string') return topology;
  const described = parameterCountOf(topology);
  const sent = layout.find(({ name }) => name === 'parameters')?.size ?? 0;
  return described === sent ? null : `it describes ${described} parameters, and ${sent} were sent`;
}
