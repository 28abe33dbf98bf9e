import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import type { Graph, GraphNode } from '../../../src/trace/graph.js';
import { DATA_TYPE } from '../../../src/trace/recording.js';
import { encodeSavedModel, MODEL_TAG } from '../../../src/trace/saved-model.js';

/** Messages read back by tfjs-node's own reader: they have a method `get<Field>` for each field, and no types. */
const messages = createRequire(import.meta.url)('@tensorflow/tfjs-node-gpu/dist/proto/api_pb.js') as {
  readonly SavedModel: { deserializeBinary(bytes: Uint8Array): unknown };
  readonly AttrValue: { readonly ValueCase: Readonly<Record<string, number>> };
};

/** A field of a message, or a field of its field. */
function get(message: unknown, ...fields: readonly string[]): unknown {
  return fields.reduce((from, field) => (from as Record<string, () => unknown>)[`get${field}`]?.(), message);
}

/** A map of messages. */
function mapOf(message: unknown, field: string): Map<string, unknown> {
  return get(message, `${field}Map`) as Map<string, unknown>;
}

function decode(graph: Graph): unknown {
  const model = messages.SavedModel.deserializeBinary(encodeSavedModel(graph));
  expect(get(model, 'SavedModelSchemaVersion')).toBe(1);
  return (get(model, 'MetaGraphsList') as unknown[])[0];
}

function nodeOf(node: Partial<GraphNode>): unknown {
  const full = { name: 'a', op: 'Const', inputs: [], attributes: [], ...node };
  return (get(decode({ nodes: [full], signatures: {} }), 'GraphDef', 'NodeList') as unknown[])[0];
}

function attributeOf(attribute: GraphNode['attributes'][number]): unknown {
  return mapOf(nodeOf({ attributes: [attribute] }), 'Attr').get(attribute.name);
}

const dims = (shape: unknown) => (get(shape, 'DimList') as unknown[]).map((dim) => get(dim, 'Size'));
const { ValueCase } = messages.AttrValue;

test('nodes with their names, operations and inputs; the first output goes without its number', () => {
  const node = nodeOf({ name: 'train/3.Conv2D', op: 'Conv2D', inputs: ['x:0', 'split:10', 'split:1', '^train/read.0'] });
  expect([get(node, 'Name'), get(node, 'Op')]).toEqual(['train/3.Conv2D', 'Conv2D']);
  expect(get(node, 'InputList')).toEqual(['x', 'split:10', 'split:1', '^train/read.0']);
});

test('the graph is found by its tag, and has a version', () => {
  const meta = decode({ nodes: [], signatures: {} });
  expect(get(meta, 'MetaInfoDef', 'TagsList')).toEqual([MODEL_TAG]);
  expect(get(meta, 'GraphDef', 'Versions', 'Producer')).toBeGreaterThan(1000);
});

describe('attributes', () => {
  test.each([
    ['int', 3, 'I'],
    ['int', 0, 'I'],
    ['int', -1, 'I'],
    ['float', 0.5, 'F'],
    ['float', 0, 'F'],
    ['bool', true, 'B'],
    ['bool', false, 'B'],
    ['type', DATA_TYPE.bfloat16, 'Type'],
  ] as const)('%s %s', (kind, value, field) => {
    const attribute = attributeOf({ name: 'T', kind, value });
    // A value that is nothing must be there all the same: an absent one is the operation's default.
    expect(get(attribute, 'ValueCase')).toBe(ValueCase[field.toUpperCase()]);
    expect(get(attribute, field)).toBe(value);
  });

  test('a string, which may be empty and of any letters', () => {
    for (const value of ['NHWC', '', 'é']) {
      const attribute = attributeOf({ name: 'data_format', kind: 'string', value });
      expect(get(attribute, 'ValueCase')).toBe(ValueCase.S);
      expect(new TextDecoder().decode(get(attribute, 'S_asU8') as Uint8Array)).toBe(value);
    }
  });

  test.each([[[2, 3]], [[]], [[0, 4]]])('shape %j', (shape) => {
    const attribute = attributeOf({ name: 'shape', kind: 'shape', value: shape });
    expect(get(attribute, 'ValueCase')).toBe(ValueCase.SHAPE);
    expect(dims(get(attribute, 'Shape'))).toEqual(shape);
  });

  test.each([
    ['int', [1, 2, 0, -1], 'IList'],
    ['int', [], 'IList'],
    ['float', [0.5, 0], 'FList'],
    ['bool', [true, false], 'BList'],
    ['type', [1, 3], 'TypeList'],
  ] as const)('a list of %s, %j', (kind, value, field) => {
    const attribute = attributeOf({ name: 'strides', kind, value });
    expect(get(attribute, 'ValueCase')).toBe(ValueCase.LIST);
    expect(get(attribute, 'List', field)).toEqual(value);
  });

  test('a list of strings', () => {
    const list = get(attributeOf({ name: 'names', kind: 'string', value: ['a', 'bc'] }), 'List', 'SList_asU8') as Uint8Array[];
    expect(list.map((bytes) => new TextDecoder().decode(bytes))).toEqual(['a', 'bc']);
  });

  test.each([
    ['float32, a part of a larger array', DATA_TYPE.float32, [2, 1], Float32Array.of(9, 1.5, Number.NaN, 9).subarray(1, 3)],
    ['int32', DATA_TYPE.int32, [], Int32Array.of(-7)],
    ['bool', DATA_TYPE.bool, [3], Uint8Array.of(1, 0, 1)],
    ['no element', DATA_TYPE.float32, [0, 3], new Float32Array(0)],
  ] as const)('a tensor of %s', (_, dtype, shape, data) => {
    const tensor = get(attributeOf({ name: 'value', kind: 'tensor', value: { dtype, shape, data } }), 'Tensor');
    expect(get(tensor, 'Dtype')).toBe(dtype);
    expect(dims(get(tensor, 'TensorShape'))).toEqual(shape);
    const bytes = get(tensor, 'TensorContent_asU8') as Uint8Array;
    expect(Buffer.from(bytes)).toEqual(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  });
});

test('signatures by name, with where each value goes in and comes out', () => {
  const image = { tensor: 'infer/image:0', dtype: DATA_TYPE.float32, shape: [2, 4] };
  const logits = { tensor: 'infer/logits.out:0', dtype: DATA_TYPE.float32, shape: [2] };
  const meta = decode({
    nodes: [],
    signatures: { infer: { inputs: { image }, outputs: { logits } }, 'get.slots': { inputs: {}, outputs: {} } },
  });
  const map = mapOf(meta, 'SignatureDef');
  expect([...map.keys()].sort()).toEqual(['get.slots', 'infer']);
  const read = (info: unknown) => ({ tensor: get(info, 'Name'), dtype: get(info, 'Dtype'), shape: dims(get(info, 'TensorShape')) });
  expect(read(mapOf(map.get('infer'), 'Inputs').get('image'))).toEqual(image);
  expect(read(mapOf(map.get('infer'), 'Outputs').get('logits'))).toEqual(logits);
});
