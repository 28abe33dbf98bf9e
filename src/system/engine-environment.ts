/**
 * The environment of a process that computes: what libraries read when they are loaded, so it must be there when the
 * process is started. Pure.
 */

import { bfloat16Support } from './bfloat16-support.js';

export interface EngineEnvironmentOptions {
  /** How many threads the engine may compute on. */
  readonly threads: number;
  /** The text of /proc/cpuinfo; empty, as it is when left out, where nothing is known. */
  readonly processor?: string;
  /** The environment that the process gets anyway. */
  readonly inherited: Readonly<Record<string, string | undefined>>;
}

/**
 * Pages of 2 MiB for large allocations, where Linux lets programs ask for them: a tensor of a batch is megabytes, and in a
 * virtual machine each miss of the page tables costs twice. A ResNet-20 step took 0.95 of the time. glibc 2.35 knows the
 * name (https://sourceware.org/glibc/manual/latest/html_node/Memory-Allocation-Tunables.html); what does not passes over it.
 */
const HUGE_PAGES = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' };

/**
 * TensorFlow's own choice is to leave oneDNN off on processors without AVX512_VNNI, AVX512_BF16 or AMX. With it a KD step of
 * ResNet-56 and ResNet-20 ran twice as fast on an AMD EPYC with AVX2.
 */
const FAST_OPERATIONS = { TF_ENABLE_ONEDNN_OPTS: '1' };

/** What libtensorflow says of itself whenever it is loaded, whatever the level of its log: no news to anybody. */
export const NATIVE_GREETING = /^WARNING: All log messages before absl::InitializeLog|^I\d{4} .*oneDNN custom operations are on/;

/** The variables to add to those inherited. What a user has set goes before, where it is a matter of taste. */
export function engineEnvironment({ threads, processor = '', inherited }: EngineEnvironmentOptions): Readonly<Record<string, string>> {
  const count = String(threads);
  return {
    // Both: with the first alone a graph takes a second thread, which runs operations side by side.
    TF_NUM_INTRAOP_THREADS: count,
    TF_NUM_INTEROP_THREADS: count,
    OMP_NUM_THREADS: count,
    // Warnings and errors; else every start prints what the processor can do.
    TF_CPP_MIN_LOG_LEVEL: inherited.TF_CPP_MIN_LOG_LEVEL ?? '2',
    ...withoutThoseOf(inherited, { ...HUGE_PAGES, ...FAST_OPERATIONS, ...bfloat16Support(processor).environment }),
  };
}

function withoutThoseOf(
  inherited: EngineEnvironmentOptions['inherited'],
  variables: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(variables).filter(([name]) => inherited[name] === undefined));
}
