import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import { cutRecording } from '../../../src/trace/cut.js';
import { buildGraph, type GraphPlan } from '../../../src/trace/graph.js';
import { DATA_TYPE, type Recording } from '../../../src/trace/recording.js';
import { GraphMachine } from '../../support/graph-machine.js';
import { type Numbers, runRecording, SCALAR, samples } from '../../support/recording-machine.js';

const arraysOf = (numbers: Numbers) => Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, [value]]));
const orders = fc.nat().map((seed) => new Prng(seed, 1));
const handle = (index: number) => `variable.${index}:0`;

function stateOf(machine: GraphMachine, count: number): (number | undefined)[] {
  return Array.from({ length: count }, (_, index) => machine.variables.get(handle(index))?.[0]);
}

describe('in whatever order its edges allow', () => {
  test('a function of the graph does what was recorded', () => {
    fc.assert(
      fc.property(samples, orders, ({ recording, feeds, variables }, order) => {
        const machine = new GraphMachine(buildGraph({ functions: { train: recording }, arenas: {} }), (count) => order.below(count));
        variables.forEach((value, index) => {
          machine.variables.set(handle(index), [value]);
        });
        const expected = runRecording(recording, feeds, variables);
        expect(machine.call('train', arraysOf(feeds))).toEqual(arraysOf(expected.outputs));
        expect(stateOf(machine, variables.length)).toEqual(expected.variables);
      }),
      { numRuns: 200 },
    );
  });

  test('a function that is cut does it in two calls, and leaves nothing of what was put aside', () => {
    fc.assert(
      fc.property(samples, orders, ({ recording, at, early, feeds, variables }, order) => {
        const { first, second, stashFrom } = cutRecording(recording, at, early);
        const released = { backward: { from: stashFrom, to: first.variables.length } };
        const graph = buildGraph({ functions: { forward: first, backward: second }, arenas: {}, released });
        const machine = new GraphMachine(graph, (count) => order.below(count));
        variables.forEach((value, index) => {
          machine.variables.set(handle(index), [value]);
        });
        // A half of which no result is fetched does not run: the step's halves have theirs.
        fc.pre(Object.keys(first.outputs).length > 0 && Object.keys(second.outputs).length > 0);
        const results = { ...machine.call('forward', arraysOf(feeds)), ...machine.call('backward', arraysOf(feeds)) };
        const expected = runRecording(recording, feeds, variables);
        expect(results).toEqual(arraysOf(expected.outputs));
        expect(stateOf(machine, first.variables.length)).toEqual([
          ...expected.variables,
          ...first.variables.slice(stashFrom).map(() => undefined),
        ]);
      }),
      { numRuns: 200 },
    );
  });

  test('a first half that is undone leaves nothing of what was put aside, and the variables as they were', () => {
    fc.assert(
      fc.property(samples, orders, ({ recording, at, early, feeds, variables }, order) => {
        const { first, second, undo, stashFrom } = cutRecording(recording, at, early);
        const released = { undo: { from: stashFrom, to: first.variables.length } };
        const machine = new GraphMachine(buildGraph({ functions: { first, second, undo }, arenas: {}, released }), (count) =>
          order.below(count),
        );
        variables.forEach((value, index) => {
          machine.variables.set(handle(index), [value]);
        });
        fc.pre(Object.keys(first.outputs).length > 0);
        machine.call('first', arraysOf(feeds));
        machine.call('undo', {});
        const gone = first.variables.slice(stashFrom).map(() => undefined);
        expect(stateOf(machine, first.variables.length)).toEqual([...variables, ...gone]);
      }),
      { numRuns: 200 },
    );
  });
});

/** One feed, two variables, of which the first takes the second's place. */
const swap: Recording = {
  feeds: { rate: SCALAR },
  variables: [SCALAR, SCALAR],
  constants: [
    { ...SCALAR, data: Float32Array.of(7) },
    { ...SCALAR, data: Float32Array.of(8) },
  ],
  operations: [
    {
      op: 'Add',
      attributes: [{ name: 'T', kind: 'type', value: DATA_TYPE.float32 }],
      inputs: [
        { from: 'feed', name: 'rate' },
        { from: 'constant', index: 1 },
      ],
      outputs: [SCALAR],
    },
  ],
  assignments: [
    { from: 'variable', index: 1 },
    { from: 'variable', index: 0 },
  ],
  outputs: { loss: { from: 'operation', index: 0, output: 0 } },
};

describe('nodes and edges', () => {
  const { nodes, signatures } = buildGraph({ functions: { train: swap }, arenas: {} });
  const nodeNamed = (name: string) => nodes.find((node) => node.name === name);

  test('every value has a name that says where it is from', () => {
    expect(nodes.map(({ name, op }) => [name, op])).toEqual([
      ['variable.0', 'VarHandleOp'],
      ['variable.1', 'VarHandleOp'],
      ['train/rate', 'Placeholder'],
      ['train/read.0', 'ReadVariableOp'],
      ['train/read.1', 'ReadVariableOp'],
      // The constant that nothing takes is left out.
      ['train/constant.1', 'Const'],
      ['train/0.Add', 'Add'],
      ['train/assign.0', 'AssignVariableOp'],
      ['train/assign.1', 'AssignVariableOp'],
      ['train/loss.out', 'Identity'],
    ]);
    expect(signatures).toEqual({
      train: {
        inputs: { rate: { tensor: 'train/rate:0', ...SCALAR } },
        outputs: { loss: { tensor: 'train/loss.out:0', ...SCALAR } },
      },
    });
  });

  test('a variable is read before it is assigned, and the results wait for all assignments', () => {
    expect(nodeNamed('train/assign.0')?.inputs).toEqual(['variable.0:0', 'train/read.1:0', '^train/read.0']);
    expect(nodeNamed('train/assign.1')?.inputs).toEqual(['variable.1:0', 'train/read.0:0', '^train/read.1']);
    expect(nodeNamed('train/loss.out')?.inputs).toEqual(['train/0.Add:0', '^train/assign.0', '^train/assign.1']);
  });

  test('what is released goes after it was read, and before the results are there', () => {
    const { nodes: all } = buildGraph({ functions: { train: swap }, arenas: {}, released: { train: { from: 1, to: 2 } } });
    expect(all.find(({ name }) => name === 'train/release.1')).toMatchObject({
      op: 'DestroyResourceOp',
      inputs: ['variable.1:0', '^train/read.1'],
    });
    expect(all.find(({ name }) => name === 'train/loss.out')?.inputs).toContain('^train/release.1');
  });

  test('functions share the variables: those of the one with most', () => {
    const inference: Recording = { ...swap, variables: [SCALAR], assignments: [null], constants: [], operations: [], outputs: {} };
    const graph = buildGraph({ functions: { infer: inference, train: swap }, arenas: {} });
    expect(graph.nodes.filter(({ op }) => op === 'VarHandleOp')).toHaveLength(2);
  });
});

describe('arenas', () => {
  const planOf = (shapes: readonly number[][], arenas: GraphPlan['arenas']): GraphPlan => {
    const variables = shapes.map((shape) => ({ dtype: DATA_TYPE.float32, shape }));
    const nothing: Recording = { feeds: {}, variables, constants: [], operations: [], assignments: variables.map(() => null), outputs: {} };
    return { functions: { train: nothing }, arenas };
  };
  const first = (count: number) => (count === 0 ? 0 : count - 1);

  test.each([
    ['one variable', [[2, 3]]],
    ['several', [[2, 3], [], [4]]],
    ['an empty one among them', [[1], [0, 3], [2]]],
  ] as [string, number[][]][])('%s: what is set is what is got, and lies where it belongs', (_, shapes) => {
    const machine = new GraphMachine(buildGraph(planOf(shapes, { weights: { from: 0, to: shapes.length } })), first);
    const sizes = shapes.map((shape) => shape.reduce((size, axis) => size * axis, 1));
    const arena = Array.from({ length: sizes.reduce((a, b) => a + b) }, (_value, i) => i + 1);
    machine.call('set.weights', { arena });
    expect(machine.call('get.weights', {})).toEqual({ arena });
    expect(shapes.map((_shape, index) => machine.variables.get(handle(index))?.length)).toEqual(sizes);
  });

  test('two arenas do not touch each other; an empty one has no signature', () => {
    const shapes = [[2], [3]];
    const arenas = { weights: { from: 0, to: 1 }, slots: { from: 1, to: 2 }, none: { from: 2, to: 2 } };
    const graph = buildGraph(planOf(shapes, arenas));
    expect(Object.keys(graph.signatures)).toEqual(['train', 'get.weights', 'set.weights', 'get.slots', 'set.slots']);
    expect(graph.signatures['get.slots']?.outputs.arena).toMatchObject({ dtype: DATA_TYPE.float32, shape: [3] });
    const machine = new GraphMachine(graph, first);
    machine.call('set.slots', { arena: [1, 2, 3] });
    machine.call('set.weights', { arena: [4, 5] });
    expect(machine.call('get.slots', {})).toEqual({ arena: [1, 2, 3] });
  });

  test('what is set is copied: no variable lies in the memory of the array that was given', () => {
    const { nodes } = buildGraph(planOf([[2], [3]], { weights: { from: 0, to: 2 } }));
    const assigned = nodes.filter(({ op }) => op === 'AssignVariableOp').map(({ inputs }) => inputs[1]);
    expect(assigned).toEqual(['set.weights/own.0:0', 'set.weights/own.1:0']);
    expect(nodes.filter(({ op }) => op === 'DeepCopy').map(({ name }) => name)).toEqual(['set.weights/own.0', 'set.weights/own.1']);
  });

  test('an arena is of float32', () => {
    const plan = planOf([[2]], { weights: { from: 0, to: 1 } });
    const train = { ...(plan.functions.train as Recording), variables: [{ dtype: DATA_TYPE.int32, shape: [2] }] };
    expect(() => buildGraph({ ...plan, functions: { train } })).toThrow('of type 3, not float32');
  });
});
