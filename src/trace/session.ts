/**
 * A graph in a session of libtensorflow: calls its signatures, each by one native call. Owns the session and with it
 * the variables' memory.
 *
 * Invariants: arrays that go in belong to the caller again when the call returns; arrays that come out are copies.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, present } from '../base/assert.js';
import { messageOf } from '../errors/stillhouse-error.js';
import type { Endpoint, Graph, GraphSignature } from './graph.js';
import { type NativeArray, type NativeTensor, nativeBackend } from './native-backend.js';
import { TraceRefusal } from './refusal.js';
import { encodeSavedModel, MODEL_TAG } from './saved-model.js';

export interface Session {
  has(signature: string): boolean;
  /** Runs a signature. All its inputs must be given; others are ignored. Throws TensorFlow's message when it fails. */
  call(signature: string, inputs: Readonly<Record<string, NativeArray>>): Readonly<Record<string, NativeArray>>;
  close(): void;
}

/** Loads the graph. Its files are deleted before this returns. Throws TraceRefusal when they cannot be written. The caller closes the session. */
export function openSession(graph: Graph): Session {
  const bytes = encodeSavedModel(graph);
  const folder = writeModel(bytes);
  try {
    return new NativeSession(nativeBackend().binding.loadSavedModel(folder, MODEL_TAG), graph);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes the model into a new folder under that for temporary files, and returns the folder. Throws TraceRefusal when it cannot. */
function writeModel(bytes: Uint8Array): string {
  let folder = '';
  try {
    folder = mkdtempSync(join(tmpdir(), 'stillhouse-trace-'));
    writeFileSync(join(folder, 'saved_model.pb'), bytes);
    return folder;
  } catch (error) {
    if (folder !== '') rmSync(folder, { recursive: true, force: true });
    throw new TraceRefusal(`the graph cannot be written to ${tmpdir()} (TMPDIR names another folder): ${messageOf(error)}`);
  }
}

interface PreparedSignature {
  readonly inputs: readonly (readonly [string, Endpoint])[];
  readonly inputNames: string;
  readonly outputs: readonly string[];
  readonly outputNames: string;
}

class NativeSession implements Session {
  readonly #id: number;
  readonly #signatures: ReadonlyMap<string, PreparedSignature>;

  constructor(id: number, { signatures }: Graph) {
    this.#id = id;
    this.#signatures = new Map(Object.entries(signatures).map(([name, signature]) => [name, prepare(signature)]));
  }

  has(signature: string): boolean {
    return this.#signatures.has(signature);
  }

  call(name: string, inputs: Readonly<Record<string, NativeArray>>): Record<string, NativeArray> {
    const signature = present(this.#signatures.get(name), `signature ${name}`);
    const { binding } = nativeBackend();
    const given: number[] = [];
    let results: NativeTensor[] = [];
    try {
      for (const [input, { dtype, shape }] of signature.inputs) {
        const values = present(inputs[input], `input ${input} of ${name}`);
        const size = shape.reduce((product, axis) => product * axis, 1);
        assert(values.length === size, `input ${input} of ${name} has ${values.length} elements, not ${size}`);
        // The native tensor may use the array's memory: it is deleted before anyone can write to it.
        given.push(binding.createTensor(shape, dtype, values));
      }
      results = binding.runSavedModel(this.#id, given, signature.inputNames, signature.outputNames);
      return Object.fromEntries(results.map(({ id }, i) => [present(signature.outputs[i], 'output'), binding.tensorDataSync(id)]));
    } finally {
      for (const id of given) binding.deleteTensor(id);
      for (const { id } of results) binding.deleteTensor(id);
    }
  }

  close(): void {
    nativeBackend().binding.deleteSavedModel(this.#id);
  }
}

function prepare({ inputs, outputs }: GraphSignature): PreparedSignature {
  const names = (endpoints: Readonly<Record<string, Endpoint>>) =>
    Object.values(endpoints)
      .map(({ tensor }) => tensor)
      .join(',');
  return { inputs: Object.entries(inputs), inputNames: names(inputs), outputs: Object.keys(outputs), outputNames: names(outputs) };
}
