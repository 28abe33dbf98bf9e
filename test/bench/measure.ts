/** Times of synchronous work in this process, by the clock and by the processor, and the times of tfjs's kernels. */

import * as tf from '@tensorflow/tfjs-core';

/** Milliseconds. With one thread and an idle machine both are the same; what else runs there lengthens `wall` alone. */
export interface Elapsed {
  readonly wall: number;
  /** User and system time of all threads of this process. */
  readonly processor: number;
}

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** How long `work` takes. */
export function elapsed(work: () => void): Elapsed {
  const wall = performance.now();
  const processor = processorMs();
  work();
  return { wall: performance.now() - wall, processor: processorMs() - processor };
}

/** The middle value, the upper one of two; NaN of none. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Milliseconds of processor time. */
export interface KernelTime {
  readonly name: string;
  readonly calls: number;
  /** With the kernels that it calls, and without. */
  readonly total: number;
  readonly own: number;
}

/** The kernels that run in `work`, those that take longest first. It reaches into tfjs's engine, which has no hook for this. */
export function profileKernels(work: () => void): KernelTime[] {
  type Invocation = { readonly kernelName?: string };
  const engine = tf.engine() as unknown as { runKernelFunc(invocation: Invocation): unknown };
  const times = new Map<string, KernelTime>();
  /** For each kernel under way, the time of those that it has called. */
  const inner = [0];
  engine.runKernelFunc = function (invocation: Invocation): unknown {
    inner.push(0);
    const start = processorMs();
    const answer = Object.getPrototypeOf(this).runKernelFunc.call(this, invocation);
    const total = processorMs() - start;
    const own = total - (inner.pop() ?? 0);
    inner[inner.length - 1]! += total;
    const name = invocation.kernelName ?? 'a gradient of our own';
    const before = times.get(name) ?? { calls: 0, total: 0, own: 0 };
    times.set(name, { name, calls: before.calls + 1, total: before.total + total, own: before.own + own });
    return answer;
  };
  work();
  Reflect.deleteProperty(engine, 'runKernelFunc');
  return [...times.values()].sort((a, b) => b.own - a.own);
}
