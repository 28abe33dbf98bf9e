/** Operations and their gradients, recorded with one input and replayed with another, against eager, with oneDNN off. */

import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openEngine } from '../../src/engines/catalogue.js';
import { differenceOf } from '../../src/trace/compare-recordings.js';
import { buildGraph } from '../../src/trace/graph.js';
import { relativeError } from '../../src/trace/proof.js';
import { type FeedArray, type RecordedCall, record } from '../../src/trace/record.js';
import { openSession, type Session } from '../../src/trace/session.js';
import { inputsOf, OPERATION_CASES, type OperationCase } from '../support/operation-case.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';

// Read by libtensorflow when it is loaded, which is in this file's own process.
process.env.TF_ENABLE_ONEDNN_OPTS = '0';

type Part = 'value' | 'gradient';

/** Its feeds: its inputs, and for the gradient the gradient at its result, which is a function of the seed as well. */
function feedsOf(one: OperationCase, part: Part, seed: number): Record<string, FeedArray> {
  const inputs = inputsOf(one.inputs, seed);
  if (part === 'gradient') {
    const shape = tf.tidy(() => one.run(...inputs.map(tensorOf)).shape.slice());
    inputs.push(...inputsOf([{ shape, range: 'plain' }], seed + 1));
  }
  return Object.fromEntries(inputs.map((input, i) => [`input${i}`, input]));
}

function tensorOf({ shape, data }: FeedArray): tf.Tensor {
  return tf.tensor(data.slice(), [...shape], data instanceof Int32Array ? 'int32' : 'float32');
}

/** The value, or the gradients by the float inputs. */
function runCase({ run }: OperationCase, part: Part, tensors: readonly tf.Tensor[]): Record<string, tf.Tensor> {
  if (part === 'value') return { value: run(...tensors) };
  const inputs = tensors.slice(0, -1);
  const floats = inputs.filter(({ dtype }) => dtype === 'float32');
  const ofFloats = (...values: tf.Tensor[]) =>
    run(...inputs.map((tensor) => (tensor.dtype === 'float32' ? (values[floats.indexOf(tensor)] as tf.Tensor) : tensor)));
  const gradients = tf.grads(ofFloats)(floats, tensors.at(-1));
  return Object.fromEntries(gradients.map((gradient, i) => [`gradient${i}`, gradient]));
}

/** Its own, whatever other cases there are. */
function seedOf(name: string): number {
  return [...name].reduce((seed, letter) => (31 * seed + letter.charCodeAt(0)) % 1_000_003, 0);
}

const cases = OPERATION_CASES.flatMap((one) => [
  { name: one.name, one, part: 'value' as const },
  ...(one.hasGradient ? [{ name: `${one.name}, gradient`, one, part: 'gradient' as const }] : []),
]).map((each, i) => ({ ...each, key: `case${i}`, seed: seedOf(each.name) }));

describeTensorflow('an operation replayed is the operation', () => {
  const first = new Map<string, RecordedCall>();
  let session: Session;

  const recordCase = ({ one, part }: (typeof cases)[number], seed: number): RecordedCall =>
    record({ feeds: feedsOf(one, part, seed), variables: [], run: (tensors) => runCase(one, part, Object.values(tensors)) });

  // All in one session: each is a function of one graph.
  beforeAll(async () => {
    await openEngine('tensorflow');
    for (const each of cases) first.set(each.key, recordCase(each, each.seed));
    const functions = Object.fromEntries([...first].map(([name, { recording }]) => [name, recording]));
    session = openSession(buildGraph({ functions, arenas: {} }));
  });
  afterAll(() => session?.close());

  test.each(cases)('$name', (each) => {
    const recorded = first.get(each.key) as RecordedCall;
    const second = recordCase(each, each.seed + 5);
    expect(differenceOf(recorded.recording, second.recording)).toBeNull();
    const feeds = Object.entries(feedsOf(each.one, each.part, each.seed + 5));
    const replayed = session.call(each.key, Object.fromEntries(feeds.map(([name, { data }]) => [name, data])));
    for (const [name, expected] of Object.entries(second.results)) {
      // Of several operations TensorFlow makes others before it runs the graph: constants are put together, quotients become products.
      if (second.recording.operations.length === 1) expect(replayed[name]).toEqual(expected);
      else expect(relativeError(expected, replayed[name])).toBeLessThan(5e-7);
    }
    expect(Object.values(second.results), 'the two inputs give the same').not.toEqual(Object.values(recorded.results));
  });
});

interface RefusedCase {
  readonly name: string;
  readonly reason: string;
  /** Of a tensor [3, 4] and labels [3]. */
  run(x: tf.Tensor2D, labels: tf.Tensor1D): tf.Tensor;
}

const READ_BACK = 'the step reads a value back into JavaScript (dataSync, arraySync or data)';

const REFUSED: readonly RefusedCase[] = [
  { name: 'dataSync', reason: READ_BACK, run: (x) => tf.mul(x, tf.max(x).dataSync()[0] as number) },
  {
    name: 'multinomial',
    reason: 'the step draws random numbers (Multinomial)',
    run: (x) => tf.multinomial(x, 2, 7),
  },
];

describeTensorflow('what cannot be replayed is refused', () => {
  beforeAll(() => openEngine('tensorflow'));

  test.each(REFUSED)('$name', ({ run, reason }) => {
    const feeds = { x: { shape: [3, 4], data: new Float32Array(12) }, labels: { shape: [3], data: Int32Array.of(0, 2, 1) } };
    const recordOne = () => record({ feeds, variables: [], run: ({ x, labels }) => ({ y: run(x as tf.Tensor2D, labels as tf.Tensor1D) }) });
    expect(recordOne).toThrow(reason);
  });
});
