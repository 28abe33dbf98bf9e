/**
 * A graph without TensorFlow: runs what a signature fetches and what that waits for, in a random order that the edges allow,
 * as a session may. Values are flat arrays of numbers.
 */

import type { Graph, GraphNode } from '../../src/trace/graph.js';
import { ARITHMETIC } from './recording-machine.js';

export type Arrays = Readonly<Record<string, readonly number[]>>;

/** A session: its variables outlive the calls. `below(n)` draws a number from 0 to n - 1. */
export class GraphMachine {
  /** By the name under which all handles share them; empty until assigned. */
  readonly variables = new Map<string, readonly number[]>();
  readonly #graph: Graph;
  readonly #nodes: ReadonlyMap<string, GraphNode>;
  readonly #below: (count: number) => number;

  constructor(graph: Graph, below: (count: number) => number) {
    this.#graph = graph;
    this.#below = below;
    this.#nodes = new Map(graph.nodes.map((node) => [node.name, node]));
    if (this.#nodes.size !== graph.nodes.length) throw new Error('two nodes of one name');
  }

  call(name: string, inputs: Arrays): Arrays {
    const signature = this.#graph.signatures[name];
    if (signature === undefined) throw new Error(`no signature ${name}`);
    const values = new Map<string, readonly (readonly number[])[]>();
    for (const [input, { tensor }] of Object.entries(signature.inputs)) {
      if (inputs[input] === undefined) throw new Error(`no input ${input}`);
      values.set(nodeOf(tensor), [inputs[input]]);
    }
    const wanted = this.#ancestors(Object.values(signature.outputs).map(({ tensor }) => nodeOf(tensor)));
    const waiting = [...wanted].filter((node) => !values.has(node));
    while (waiting.length > 0) {
      const ready = waiting.filter((node) => this.#inputsOf(node).every((input) => values.has(nodeOf(input))));
      const next = ready[this.#below(ready.length)];
      if (next === undefined) throw new Error(`nothing can run of ${waiting.join(', ')}`);
      waiting.splice(waiting.indexOf(next), 1);
      values.set(next, this.#run(next, values));
    }
    const outputs = Object.entries(signature.outputs).map(([output, { tensor }]) => [output, valueAt(tensor, values)] as const);
    return Object.fromEntries(outputs);
  }

  #ancestors(names: readonly string[]): Set<string> {
    const found = new Set<string>();
    const visit = (name: string) => {
      if (found.has(name)) return;
      found.add(name);
      for (const input of this.#inputsOf(name)) visit(nodeOf(input));
    };
    for (const name of names) visit(name);
    return found;
  }

  #inputsOf(name: string): readonly string[] {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node.inputs;
  }

  #run(name: string, values: ReadonlyMap<string, readonly (readonly number[])[]>): readonly (readonly number[])[] {
    const { op, attributes, inputs } = this.#nodes.get(name) as GraphNode;
    const attribute = (wanted: string) => attributes.find((one) => one.name === wanted)?.value;
    const given = inputs.filter((input) => !input.startsWith('^'));
    const [a = [], b = []] = given.map((input) => valueAt(input, values));
    const variable = String(given[0]);
    switch (op) {
      case 'VarHandleOp':
        if (attribute('shared_name') !== name) throw new Error(`${name} shares its variable with nobody`);
        return [[]];
      case 'Const':
        return [[...(attribute('value') as { data: Float32Array }).data]];
      case 'ReadVariableOp': {
        const value = this.variables.get(variable);
        if (value === undefined) throw new Error(`${variable} is empty`);
        return [value];
      }
      case 'AssignVariableOp':
        this.variables.set(variable, b);
        return [];
      case 'DestroyResourceOp':
        this.variables.delete(variable);
        return [];
      case 'Reshape':
        if (b.reduce((size, axis) => size * axis, 1) !== a.length) throw new Error(`${name} makes ${b} of ${a.length} elements`);
        return [a];
      case 'ConcatV2':
        return [given.slice(0, -1).flatMap((input) => valueAt(input, values))];
      case 'SplitV': {
        const ends = b.map((_, part) => b.slice(0, part + 1).reduce((sum, size) => sum + size, 0));
        return ends.map((end, part) => a.slice(end - (b[part] ?? 0), end));
      }
      case 'DeepCopy':
      case 'Identity':
        return [a];
      default: {
        const operation = ARITHMETIC[op];
        if (operation === undefined) throw new Error(`what is ${op}?`);
        return operation(a[0] ?? Number.NaN, b[0] ?? Number.NaN).map((value) => [value]);
      }
    }
  }
}

function nodeOf(input: string): string {
  return input.replace(/^\^/, '').replace(/:\d+$/, '');
}

function valueAt(input: string, values: ReadonlyMap<string, readonly (readonly number[])[]>): readonly number[] {
  const value = values.get(nodeOf(input))?.[Number(/:(\d+)$/.exec(input)?.[1])];
  if (value === undefined) throw new Error(`no value ${input}`);
  return value;
}
