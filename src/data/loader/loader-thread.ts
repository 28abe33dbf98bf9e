/**
 * A loader thread: it takes one job after the other and assembles its rows. Between jobs it sleeps on the state of the
 * next one, so its event loop never turns. It ends when the loader terminates it, after an image that cannot be read, which it tells, or by an
 * error, which is a bug.
 *
 * It imports only the assembly of batches: tfjs and zeromq crash in threads.
 */

import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { assert, present } from '../../base/assert.js';
import { StillhouseError } from '../../errors/stillhouse-error.js';
import { assembleBatch } from '../batch.js';
import type { SampleStore } from '../sample-source.js';
import { IS_AWAITED, JOB_STATE, type LoaderMemory, NEXT_JOB, readJob, stateIndex } from './ring.js';
import type { LoaderSource, ThreadFault, ThreadStart } from './thread-messages.js';

interface OpenSource {
  readonly store: SampleStore;
  readonly view: LoaderSource['view'];
  /** The number of elements of one image. */
  readonly imageSize: number;
}

const port = present(parentPort, "the loader's end");
const { memory } = workerData as ThreadStart;
const sources = new Map<number, OpenSource>();

try {
  for (;;) {
    const number = Atomics.add(memory.control, NEXT_JOB, 1);
    takeOn(memory, number);
    if (Atomics.exchange(memory.control, IS_AWAITED, 0) !== 0) port.postMessage(null);
  }
} catch (error) {
  if (!(error instanceof StillhouseError)) throw error;
  const fault: ThreadFault = { code: error.code, what: error.what, details: error.details };
  port.postMessage(fault);
}

/** Waits until the job is asked for or skipped, carries it out, and sets it to done. */
function takeOn(shared: LoaderMemory, number: number): void {
  const { control } = shared;
  const index = stateIndex(number);
  for (;;) {
    const state = Atomics.load(control, index);
    if (state === JOB_STATE.skipped) break;
    if (state !== JOB_STATE.asked) Atomics.wait(control, index, state);
    else if (Atomics.compareExchange(control, index, JOB_STATE.asked, JOB_STATE.busy) === JOB_STATE.asked) {
      load(shared, number);
      break;
    }
  }
  Atomics.store(control, index, JOB_STATE.done);
}

function load(shared: LoaderMemory, number: number): void {
  const { source, epoch, row, count } = readJob(shared, number);
  const { store, view, imageSize } = sourceOf(source);
  const samples = shared.samples.subarray(row, row + count);
  const images = shared.images.subarray(row * imageSize, (row + count) * imageSize);
  const labels = shared.labels.subarray(row, row + count);
  assembleBatch({ store, view: { ...view, epoch }, samples, out: { images, labels } });
}

/** The source of this number. The loader sent it before it asked for the job, so a source that the thread does not know yet waits at the port. */
function sourceOf(number: number): OpenSource {
  for (;;) {
    const known = sources.get(number);
    if (known !== undefined) return known;
    const received = receiveMessageOnPort(port);
    assert(received !== undefined, `no source ${number}`);
    const { number: next, store, view } = received.message as LoaderSource;
    sources.set(next, { store, view, imageSize: store.height * store.width * store.channels });
  }
}
