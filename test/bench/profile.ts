/** What a step spends its time on: on `tensorflow` by native call, else by tfjs's kernels. */

import * as tf from '@tensorflow/tfjs-core';
import { nativeBackend } from '../../src/trace/native-backend.js';
import type { ProfileEntry } from './protocol.js';

/** Times by name, of calls that may be nested. */
class Timer {
  readonly #entries = new Map<string, ProfileEntry>();
  /** For each call under way, the time of those within it. */
  readonly #inner = [0];

  time<Result>(name: string, call: () => Result): Result {
    this.#inner.push(0);
    const start = performance.now();
    try {
      return call();
    } finally {
      const total = performance.now() - start;
      const own = total - (this.#inner.pop() ?? 0);
      this.#inner[this.#inner.length - 1]! += total;
      const before = this.#entries.get(name) ?? { calls: 0, total: 0, own: 0 };
      this.#entries.set(name, { name, calls: before.calls + 1, total: before.total + total, own: before.own + own });
    }
  }

  entries(): ProfileEntry[] {
    return [...this.#entries.values()].sort((a, b) => b.own - a.own);
  }
}

/** The calls within `work`, those that take longest first; what is left of it is `JavaScript`. */
export function profileEngine(work: () => void): readonly ProfileEntry[] {
  const timer = new Timer();
  const restore = tf.getBackend() === 'tensorflow' ? watchBinding(timer) : watchKernels(timer);
  try {
    timer.time('JavaScript', work);
  } finally {
    restore();
  }
  return timer.entries();
}

/** The binding's methods cannot be written: an object that inherits from it takes its place. */
function watchBinding(timer: Timer): () => void {
  const backend = nativeBackend();
  const { binding } = backend;
  const nameOf = (method: string, args: readonly unknown[]) => (method === 'executeOp' ? String(args[0]) : method);
  const watched = Object.create(binding) as Record<string, unknown>;
  for (const method of ['executeOp', 'createTensor', 'deleteTensor', 'tensorDataSync', 'runSavedModel'] as const) {
    const call = binding[method].bind(binding) as (...args: unknown[]) => unknown;
    Object.defineProperty(watched, method, {
      value: (...args: unknown[]) => timer.time(nameOf(method, args), () => call(...args)),
    });
  }
  backend.binding = watched as unknown as typeof binding;
  return () => {
    backend.binding = binding;
  };
}

/** It reaches into tfjs's engine, which has no hook for this. */
function watchKernels(timer: Timer): () => void {
  type Invocation = { readonly kernelName?: string };
  const engine = tf.engine() as unknown as { runKernelFunc(invocation: Invocation): unknown };
  const stock = Object.getPrototypeOf(engine) as typeof engine;
  engine.runKernelFunc = function (invocation: Invocation): unknown {
    return timer.time(invocation.kernelName ?? 'a gradient of our own', () => stock.runKernelFunc.call(this, invocation));
  };
  return () => void Reflect.deleteProperty(engine, 'runKernelFunc');
}
