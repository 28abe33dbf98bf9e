/** A graph as text for people: the signatures, and each operation on a line, with shapes. Pure. */

import type { Endpoint, Graph, GraphNode, TensorAttribute } from './graph.js';
import { type Attribute, DATA_TYPE, type TensorType } from './recording.js';

/** Lists the signatures first, then the nodes in the order in which they were recorded. Ends with a new line. */
export function listGraph({ nodes, signatures }: Graph): string {
  const calls = Object.entries(signatures).flatMap(([name, { inputs, outputs }]) => [
    name,
    ...Object.entries(inputs).map(([input, endpoint]) => `  in   ${input}: ${describeEndpoint(endpoint)}`),
    ...Object.entries(outputs).map(([output, endpoint]) => `  out  ${output}: ${describeEndpoint(endpoint)}`),
  ]);
  return [`Signatures (${Object.keys(signatures).length})`, ...calls, '', `Nodes (${nodes.length})`, ...nodes.map(describeNode), ''].join(
    '\n',
  );
}

function describeEndpoint(endpoint: Endpoint): string {
  return `${describeType(endpoint)}, ${endpoint.tensor}`;
}

function describeNode({ name, op, inputs, attributes, outputs = [] }: GraphNode): string {
  const types = outputs.length === 0 ? '' : ` -> ${outputs.map(describeType).join(', ')}`;
  const told = attributes.map(describeAttribute).join(', ');
  return `${name} = ${op}(${inputs.join(', ')})${types}${told === '' ? '' : `  {${told}}`}`;
}

const TYPE_NAMES = new Map<number, string>(Object.entries(DATA_TYPE).map(([name, number]) => [number, name]));
const typeName = (dtype: unknown) => TYPE_NAMES.get(dtype as number) ?? `type ${dtype}`;

function describeType({ dtype, shape }: TensorType): string {
  return `${typeName(dtype)} [${shape.join(', ')}]`;
}

/** The number of elements of a constant that are shown. */
const SHOWN = 8;

function describeAttribute(attribute: Attribute | TensorAttribute): string {
  const { name, kind, value } = attribute;
  if (kind === 'tensor') {
    const shown = [...value.data.subarray(0, SHOWN)].map((x) => Number(x.toPrecision(6))).join(', ');
    return `${name}: ${describeType(value)} = ${shown}${value.data.length > SHOWN ? ', ...' : ''}`;
  }
  if (kind === 'type') return `${name}: ${[value].flat().map(typeName).join(' ')}`;
  return `${name}: ${Array.isArray(value) ? `[${value.join(', ')}]` : value}`;
}
