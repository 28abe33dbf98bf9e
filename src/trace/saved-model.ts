/**
 * A graph as the bytes of a SavedModel (tensorflow/core/protobuf/saved_model.proto). The bytes are written by the generated
 * messages that tfjs-node carries for reading. They hold no state: state goes in and out through the graph's own signatures.
 */

import { createRequire } from 'node:module';
import type { Endpoint, Graph, GraphNode, GraphSignature, TensorAttribute } from './graph.js';
import type { Attribute, AttributeKind, Constant } from './recording.js';

/** The tag under which the graph is found when the model is loaded. */
export const MODEL_TAG = 'serve';

/** The version of the meaning of operations (TF_GRAPH_DEF_VERSION) from which on every operation written here has its meaning. */
const GRAPH_VERSION = 1882;

/** The content of saved_model.pb. Throws when it exceeds two gigabytes, the largest size of a message. */
export function encodeSavedModel({ nodes, signatures }: Graph): Uint8Array {
  const { GraphDef, VersionDef, MetaGraphDef, SavedModel } = messages;
  const graph = make(GraphDef, { NodeList: nodes.map(nodeMessage), Versions: make(VersionDef, { Producer: GRAPH_VERSION }) });
  const meta = make(MetaGraphDef, { MetaInfoDef: make(MetaGraphDef.MetaInfoDef, { TagsList: [MODEL_TAG] }), GraphDef: graph });
  fillMap(meta, 'SignatureDef', mapValues(signatures, signatureMessage));
  return make(SavedModel, { SavedModelSchemaVersion: 1, MetaGraphsList: [meta] }).serializeBinary();
}

function nodeMessage({ name, op, inputs, attributes }: GraphNode): Message {
  // In a NodeDef the first output goes without its number.
  const node = make(messages.NodeDef, { Name: name, Op: op, InputList: inputs.map((input) => input.replace(/:0$/, '')) });
  fillMap(node, 'Attr', Object.fromEntries(attributes.map((attribute) => [attribute.name, attributeMessage(attribute)])));
  return node;
}

/** The field of AttrValue for each kind; that of its list has `List` behind it. */
const FIELD_OF_KIND = { string: 'S', int: 'I', float: 'F', bool: 'B', type: 'Type' } as const satisfies Partial<
  Record<AttributeKind, string>
>;

function attributeMessage(attribute: Attribute | TensorAttribute): Message {
  const { AttrValue } = messages;
  if (attribute.kind === 'tensor') return make(AttrValue, { Tensor: tensorMessage(attribute.value) });
  const { kind, value } = attribute;
  if (kind === 'shape') return make(AttrValue, { Shape: shapeMessage(value as readonly number[]) });
  const field = FIELD_OF_KIND[kind];
  const encode = (single: unknown) => (kind === 'string' ? new TextEncoder().encode(String(single)) : single);
  if (!Array.isArray(value)) return make(AttrValue, { [field]: encode(value) });
  return make(AttrValue, { List: make(AttrValue.ListValue, { [`${field}List`]: value.map(encode) }) });
}

function tensorMessage({ dtype, shape, data }: Constant): Message {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return make(messages.Tensor, { Dtype: dtype, TensorShape: shapeMessage(shape), TensorContent: bytes });
}

function shapeMessage(shape: readonly number[]): Message {
  const { TensorShape } = messages;
  return make(TensorShape, { DimList: shape.map((size) => make(TensorShape.Dim, { Size: size })) });
}

function signatureMessage({ inputs, outputs }: GraphSignature): Message {
  const message = make(messages.SignatureDef, {});
  fillMap(message, 'Inputs', mapValues(inputs, endpointMessage));
  fillMap(message, 'Outputs', mapValues(outputs, endpointMessage));
  return message;
}

function endpointMessage({ tensor, dtype, shape }: Endpoint): Message {
  return make(messages.TensorInfo, { Name: tensor, Dtype: dtype, TensorShape: shapeMessage(shape) });
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}

/** A generated message has a method `set<Field>` for each field and `get<Field>Map` for each map, and no types. */
type Message = Record<string, (value?: unknown) => unknown> & { serializeBinary(): Uint8Array };
type MessageClass = new () => Message;

function make(type: MessageClass, fields: Readonly<Record<string, unknown>>): Message {
  const message = new type();
  for (const [field, value] of Object.entries(fields)) message[`set${field}`]?.(value);
  return message;
}

function fillMap(message: Message, field: string, values: Readonly<Record<string, Message>>): void {
  const map = message[`get${field}Map`]?.() as Map<string, Message>;
  for (const [key, value] of Object.entries(values)) map.set(key, value);
}

interface Messages {
  readonly SavedModel: MessageClass;
  readonly MetaGraphDef: MessageClass & { readonly MetaInfoDef: MessageClass };
  readonly GraphDef: MessageClass;
  readonly VersionDef: MessageClass;
  readonly NodeDef: MessageClass;
  readonly AttrValue: MessageClass & { readonly ListValue: MessageClass };
  readonly Tensor: MessageClass;
  readonly TensorShape: MessageClass & { readonly Dim: MessageClass };
  readonly SignatureDef: MessageClass;
  readonly TensorInfo: MessageClass;
}

/** The messages are JavaScript alone; loading them does not load the native binding. */
const messages = createRequire(import.meta.url)('@tensorflow/tfjs-node-gpu/dist/proto/api_pb.js') as Messages;
