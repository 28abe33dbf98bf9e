/**
 * Every error that a user can meet: its code, whether trying again can help, and the exit code of a process that
 * ends because of it. deploy/README.md shows the exit codes; a test holds the two together.
 */

export const EXIT = { done: 0, failed: 1, usage: 2, tryAgain: 75, interrupted: 130, terminated: 143 } as const;

interface ErrorClass {
  readonly retryable: boolean;
  readonly exitCode: number;
  readonly meaning: string;
}

export const ERROR_TABLE = {
  'usage.invalid': { retryable: false, exitCode: EXIT.usage, meaning: 'the command line is not understood' },
  'recipe.invalid': { retryable: false, exitCode: EXIT.usage, meaning: 'the recipe has an unknown key or a bad value' },
  'recipe.unreadable': { retryable: false, exitCode: EXIT.usage, meaning: 'the recipe file cannot be read or is not YAML' },
  'data.missing': { retryable: false, exitCode: EXIT.usage, meaning: 'a data file is not where the recipe says' },
  'data.damaged': { retryable: false, exitCode: EXIT.failed, meaning: 'a data file is cut short, or holds what its format does not allow' },
  'model.invalid': { retryable: false, exitCode: EXIT.usage, meaning: 'a model cannot be built as the recipe says' },
  'loss.invalid': { retryable: false, exitCode: EXIT.usage, meaning: 'a term of a loss cannot be loaded or computed as the recipe says' },
  'engine.unusable': { retryable: false, exitCode: EXIT.usage, meaning: 'the engine asked for does not work on this machine' },
  'engine.crashed': { retryable: true, exitCode: EXIT.failed, meaning: 'the engine process ended unexpectedly' },
  'engine.stuck': { retryable: true, exitCode: EXIT.failed, meaning: 'the engine made no progress within its budget' },
  'install.missing': { retryable: false, exitCode: EXIT.usage, meaning: 'an install needs something that this machine lacks' },
  'install.unreachable': { retryable: true, exitCode: EXIT.tryAgain, meaning: 'what is to be installed cannot be reached' },
  'install.stopped': { retryable: true, exitCode: EXIT.tryAgain, meaning: 'a download stopped before its end; the next call goes on' },
  'install.busy': { retryable: true, exitCode: EXIT.tryAgain, meaning: 'another process installs or removes the same' },
  'install.damaged': { retryable: false, exitCode: EXIT.failed, meaning: 'what was downloaded is not the expected file' },
  'install.failed': { retryable: false, exitCode: EXIT.failed, meaning: 'an install could not be carried to its end' },
  'trace.refused': { retryable: false, exitCode: EXIT.failed, meaning: 'a training step cannot be recorded as a graph' },
  'training.notFinite': { retryable: false, exitCode: EXIT.failed, meaning: 'a loss or parameter became NaN or infinite' },
  'knowledge.beyondHalf': { retryable: false, exitCode: EXIT.failed, meaning: 'a number to be sent in float16 is more than that holds' },
  'checkpoint.damaged': { retryable: true, exitCode: EXIT.failed, meaning: 'a checkpoint does not match its manifest' },
  'checkpoint.missing': { retryable: false, exitCode: EXIT.usage, meaning: 'no usable checkpoint is there' },
  'checkpoint.unwritable': { retryable: true, exitCode: EXIT.failed, meaning: 'a checkpoint could not be written' },
  'run.invalid': { retryable: false, exitCode: EXIT.usage, meaning: 'the folder is not a run, or its journal is damaged' },
  'run.busy': { retryable: true, exitCode: EXIT.tryAgain, meaning: 'another coordinator works on this run' },
  'run.unwritable': { retryable: true, exitCode: EXIT.failed, meaning: 'the run folder could not be written' },
  'run.failed': { retryable: false, exitCode: EXIT.failed, meaning: 'the run ended without finishing its stages' },
  'run.interrupted': { retryable: true, exitCode: EXIT.tryAgain, meaning: 'the run stopped before its end and can be resumed' },
  'worker.exhausted': { retryable: true, exitCode: EXIT.failed, meaning: 'a worker died more often than it may be restarted' },
  'transport.bind': { retryable: false, exitCode: EXIT.usage, meaning: 'an address cannot be listened on, or is none' },
  'transport.insecure': { retryable: false, exitCode: EXIT.usage, meaning: 'an address off loopback was asked for without --insecure' },
  'transport.deadline': { retryable: true, exitCode: EXIT.tryAgain, meaning: 'a peer did not answer in time' },
  'transport.full': { retryable: true, exitCode: EXIT.tryAgain, meaning: 'a queue to a peer is at its maximum' },
  'transport.closed': { retryable: true, exitCode: EXIT.tryAgain, meaning: 'the connection was closed' },
  'protocol.invalid': { retryable: false, exitCode: EXIT.failed, meaning: 'a message does not follow the protocol' },
  'peer.refused': { retryable: true, exitCode: EXIT.tryAgain, meaning: 'a peer refused a request and said why' },
} as const satisfies Record<string, ErrorClass>;

export type ErrorCode = keyof typeof ERROR_TABLE;
