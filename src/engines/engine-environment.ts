/**
 * The environment of a process that computes: what libraries read when they are loaded, so it must be there when the
 * process is started. Pure.
 */

export interface EngineEnvironmentOptions {
  /** How many threads the engine may compute on. */
  readonly threads: number;
  /** The environment that the process gets anyway. */
  readonly inherited: Readonly<Record<string, string | undefined>>;
}

/** What libtensorflow says of itself whenever it is loaded, whatever the level of its log: no news to anybody. */
export const NATIVE_GREETING = /^WARNING: All log messages before absl::InitializeLog|^I\d{4} .*oneDNN custom operations are on/;

/** The variables to add to those inherited. What a user has set goes before, where it is a matter of taste. */
export function engineEnvironment({ threads, inherited }: EngineEnvironmentOptions): Readonly<Record<string, string>> {
  const count = String(threads);
  return {
    // Both: with the first alone a graph takes a second thread, which runs operations side by side.
    TF_NUM_INTRAOP_THREADS: count,
    TF_NUM_INTEROP_THREADS: count,
    OMP_NUM_THREADS: count,
    // Warnings and errors; else every start prints what the processor can do.
    TF_CPP_MIN_LOG_LEVEL: inherited.TF_CPP_MIN_LOG_LEVEL ?? '2',
  };
}
