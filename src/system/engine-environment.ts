/**
 * The environment of an engine process. The libraries read these variables when they are loaded, so the variables must
 * be set when the process is started. Pure.
 */

import { bfloat16Support } from './bfloat16-support.js';

export interface EngineEnvironmentOptions {
  /** The number of threads that the engine may compute on. */
  readonly threads: number;
  /** The text of /proc/cpuinfo; empty, or left out, when it is not known. */
  readonly processor?: string;
  /** The environment that the process inherits. */
  readonly inherited: Readonly<Record<string, string | undefined>>;
}

/**
 * Asks for pages of 2 MiB for large allocations, where Linux grants them: the tensors of a batch are megabytes long, and in
 * a virtual machine each miss in the page tables costs twice. A ResNet-20 step took 0.95 of the time. glibc knows the
 * variable since 2.35 (https://sourceware.org/glibc/manual/latest/html_node/Memory-Allocation-Tunables.html); other C
 * libraries ignore it.
 */
const HUGE_PAGES = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' };

/**
 * TensorFlow's own choice is to leave oneDNN off on processors without AVX512_VNNI, AVX512_BF16 or AMX. With it a KD step of
 * ResNet-56 and ResNet-20 ran twice as fast on an AMD EPYC with AVX2.
 */
const FAST_OPERATIONS = { TF_ENABLE_ONEDNN_OPTS: '1' };

/** The lines that libtensorflow always prints when it is loaded, at every log level. They tell a user nothing. */
export const NATIVE_GREETING = /^WARNING: All log messages before absl::InitializeLog|^I\d{4} .*oneDNN custom operations are on/;

/**
 * The variables to add to the inherited ones. The thread counts replace inherited ones; for all others, a value that
 * the user has set stays.
 */
export function engineEnvironment({ threads, processor = '', inherited }: EngineEnvironmentOptions): Readonly<Record<string, string>> {
  const count = String(threads);
  return {
    // The second is needed too: without it a graph runs operations in parallel on one more thread.
    TF_NUM_INTRAOP_THREADS: count,
    TF_NUM_INTEROP_THREADS: count,
    OMP_NUM_THREADS: count,
    // Level 2 prints errors alone; below it, every start prints the features of the processor.
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
