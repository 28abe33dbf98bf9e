/**
 * A graph as the bytes of a SavedModel (tensorflow/core/protobuf/saved_model.proto), by the generated messages that
 * tfjs-node carries for reading them. State is not in it: it goes in and out through the graph's own signatures.
 */

import { createRequire } from 'node:module';
import { assertNever } from '../base/assert.js';
import type { Endpoint, Graph, GraphNode, GraphSignature, TensorAttribute } from './graph.js';
import type { Attribute, Constant } from './recording.js';

/** The tag under which the graph is found when the model is loaded. */
export const MODEL_TAG = 'serve';

/** What saved_model.pb holds. Throws RangeError beyond the two gigabytes that a message may have. */
export function encodeSavedModel({ nodes, signatures }: Graph): Uint8Array {
  const messages = loadMessages();
  const graph = new messages.GraphDef();
  graph.setNodeList(nodes.map((node) => nodeMessage(messages, node)));
  const versions = new messages.VersionDef();
  versions.setProducer(GRAPH_VERSION);
  graph.setVersions(versions);
  const info = new messages.MetaGraphDef.MetaInfoDef();
  info.setTagsList([MODEL_TAG]);
  const meta = new messages.MetaGraphDef();
  meta.setMetaInfoDef(info);
  meta.setGraphDef(graph);
  for (const [name, signature] of Object.entries(signatures)) meta.getSignatureDefMap().set(name, signatureMessage(messages, signature));
  const model = new messages.SavedModel();
  model.setSavedModelSchemaVersion(1);
  model.setMetaGraphsList([meta]);
  return model.serializeBinary();
}

/** The version of the meaning of operations (TF_GRAPH_DEF_VERSION) from which all that is written here has held. */
const GRAPH_VERSION = 1882;

function nodeMessage(messages: Messages, { name, op, inputs, attributes }: GraphNode): Message {
  const node = new messages.NodeDef();
  node.setName(name);
  node.setOp(op);
  // In a NodeDef the first output goes without its number.
  node.setInputList(inputs.map((input) => input.replace(/:0$/, '')));
  for (const attribute of attributes) node.getAttrMap().set(attribute.name, attributeMessage(messages, attribute));
  return node;
}

function attributeMessage(messages: Messages, attribute: Attribute | TensorAttribute): Message {
  const message = new messages.AttrValue();
  if (attribute.kind === 'tensor') {
    message.setTensor(tensorMessage(messages, attribute.value));
    return message;
  }
  const { kind, value } = attribute;
  if (kind === 'shape') message.setShape(shapeMessage(messages, value as readonly number[]));
  else if (Array.isArray(value)) message.setList(listMessage(messages, kind, value));
  else setScalar(message, kind, value as Scalar);
  return message;
}

type Scalar = string | number | boolean;

function setScalar(message: Message, kind: Exclude<Attribute['kind'], 'shape'>, value: Scalar): void {
  switch (kind) {
    case 'string':
      return message.setS(new TextEncoder().encode(String(value)));
    case 'int':
      return message.setI(value);
    case 'float':
      return message.setF(value);
    case 'bool':
      return message.setB(value);
    case 'type':
      return message.setType(value);
    default:
      return assertNever(kind, 'kind of attribute');
  }
}

function listMessage(messages: Messages, kind: Exclude<Attribute['kind'], 'shape'>, values: readonly Scalar[]): Message {
  const list = new messages.AttrValue.ListValue();
  switch (kind) {
    case 'string':
      list.setSList(values.map((value) => new TextEncoder().encode(String(value))));
      return list;
    case 'int':
      list.setIList(values);
      return list;
    case 'float':
      list.setFList(values);
      return list;
    case 'bool':
      list.setBList(values);
      return list;
    case 'type':
      list.setTypeList(values);
      return list;
    default:
      return assertNever(kind, 'kind of attribute');
  }
}

function tensorMessage(messages: Messages, { dtype, shape, data }: Constant): Message {
  const message = new messages.Tensor();
  message.setDtype(dtype);
  message.setTensorShape(shapeMessage(messages, shape));
  message.setTensorContent(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return message;
}

function shapeMessage(messages: Messages, shape: readonly number[]): Message {
  const message = new messages.TensorShape();
  message.setDimList(
    shape.map((size) => {
      const axis = new messages.TensorShape.Dim();
      axis.setSize(size);
      return axis;
    }),
  );
  return message;
}

function signatureMessage(messages: Messages, { inputs, outputs }: GraphSignature): Message {
  const message = new messages.SignatureDef();
  for (const [name, endpoint] of Object.entries(inputs)) message.getInputsMap().set(name, endpointMessage(messages, endpoint));
  for (const [name, endpoint] of Object.entries(outputs)) message.getOutputsMap().set(name, endpointMessage(messages, endpoint));
  return message;
}

function endpointMessage(messages: Messages, { tensor, dtype, shape }: Endpoint): Message {
  const message = new messages.TensorInfo();
  message.setName(tensor);
  message.setDtype(dtype);
  message.setTensorShape(shapeMessage(messages, shape));
  return message;
}

/** A generated message: setters named for the fields of the .proto, and nothing typed. */
interface Message {
  [setter: `set${string}`]: (value: unknown) => void;
  [getter: `get${string}Map`]: () => { set(key: string, value: Message): unknown };
  serializeBinary(): Uint8Array;
}
type MessageClass = new () => Message;

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

/** JavaScript alone: the native binding is not loaded. */
function loadMessages(): Messages {
  return createRequire(import.meta.url)('@tensorflow/tfjs-node-gpu/dist/proto/api_pb.js') as Messages;
}
