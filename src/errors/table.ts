/**
 * Every error that a user can meet: its code, whether trying again can help, and the exit code of a process that
 * ends because of it. deploy/README.md lists the exit codes; a test compares the two.
 */

export const EXIT = { done: 0, failed: 1, usage: 2, tryAgain: 75, hungUp: 129, interrupted: 130, terminated: 143 } as const;

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
  'data.damaged': { retryable: false, exitCode: EXIT.usage, meaning: 'a data file is cut short, or breaks the rules of its format' },
  'basis.differs': { retryable: false, exitCode: EXIT.usage, meaning: 'the data or a module of this machine is not that of the run' },
  'model.invalid': { retryable: false, exitCode: EXIT.usage, meaning: 'a model cannot be built as the recipe says' },
  'loss.invalid': { retryable: false, exitCode: EXIT.usage, meaning: 'a term of a loss cannot be loaded or computed as the recipe says' },
  'engine.unusable': { retryable: false, exitCode: EXIT.usage, meaning: 'the engine asked for does not work on this machine' },
  'engine.outOfMemory': { retryable: false, exitCode: EXIT.usage, meaning: 'the work does not fit into the memory of the engine' },
  'engine.crashed': { retryable: true, exitCode: EXIT.failed, meaning: 'the engine process ended unexpectedly' },
  'engine.stuck': { retryable: true, exitCode: EXIT.failed, meaning: 'the engine made no progress within its budget' },
  'install.missing': { retryable: false, exitCode: EXIT.usage, meaning: 'an install needs something that this machine lacks' },
  'install.unreachable': { retryable: true, exitCode: EXIT.tryAgain, meaning: 'the package index or its file cannot be reached' },
  'install.stopped': { retryable: true, exitCode: EXIT.tryAgain, meaning: 'a download stopped early; the next install continues it' },
  'install.busy': { retryable: true, exitCode: EXIT.tryAgain, meaning: 'another process installs or removes the same engine' },
  'install.damaged': { retryable: false, exitCode: EXIT.failed, meaning: 'the downloaded file is not the expected one' },
  'install.failed': { retryable: false, exitCode: EXIT.failed, meaning: 'an install could not be finished' },
  'trace.refused': { retryable: false, exitCode: EXIT.failed, meaning: 'a training step cannot be recorded as a graph' },
  'training.notFinite': { retryable: false, exitCode: EXIT.failed, meaning: 'a loss or parameter became NaN or infinite' },
  'knowledge.beyondHalf': { retryable: false, exitCode: EXIT.failed, meaning: 'a number to be sent in float16 is more than that holds' },
  'checkpoint.damaged': { retryable: true, exitCode: EXIT.failed, meaning: 'a checkpoint does not match its manifest' },
  'checkpoint.missing': { retryable: false, exitCode: EXIT.usage, meaning: 'there is no usable checkpoint' },
  'checkpoint.unwritable': { retryable: true, exitCode: EXIT.failed, meaning: 'a checkpoint could not be written' },
  'teacher.atChance': { retryable: false, exitCode: EXIT.failed, meaning: 'a model that is to teach is no better than guessing' },
  'run.invalid': { retryable: false, exitCode: EXIT.usage, meaning: 'the folder is not a run, or its journal is damaged' },
  'run.busy': { retryable: true, exitCode: EXIT.tryAgain, meaning: 'another coordinator works on this run' },
  'run.gone': {
    retryable: false,
    exitCode: EXIT.usage,
    meaning: 'the folder of a run, or its journal, was deleted, moved or replaced while the run went on',
  },
  'run.unwritable': { retryable: true, exitCode: EXIT.failed, meaning: 'the run folder could not be written' },
  'run.failed': { retryable: false, exitCode: EXIT.failed, meaning: 'the run ended without finishing its stages' },
  'command.stopped': { retryable: true, exitCode: EXIT.interrupted, meaning: 'a signal ended the command before it had begun its work' },
  'run.interrupted': { retryable: true, exitCode: EXIT.tryAgain, meaning: 'the run stopped before its end and can be resumed' },
  'worker.exhausted': { retryable: true, exitCode: EXIT.failed, meaning: 'a worker died more often than it may be restarted' },
  'system.failed': { retryable: false, exitCode: EXIT.failed, meaning: 'the operating system refused a file, a folder or a process' },
  'transport.bind': { retryable: false, exitCode: EXIT.usage, meaning: 'an address is not valid, or cannot be listened on' },
  'transport.insecure': { retryable: false, exitCode: EXIT.usage, meaning: 'an address off loopback was asked for without --insecure' },
  'transport.deadline': { retryable: true, exitCode: EXIT.tryAgain, meaning: 'another process did not answer in time' },
  'transport.full': { retryable: true, exitCode: EXIT.tryAgain, meaning: 'the queue of a connection is at its maximum' },
  'transport.closed': { retryable: true, exitCode: EXIT.tryAgain, meaning: 'the connection was closed' },
  'protocol.invalid': { retryable: false, exitCode: EXIT.failed, meaning: 'a message does not follow the protocol' },
  'request.refused': { retryable: true, exitCode: EXIT.tryAgain, meaning: 'another process refused a request and gave a reason' },
} as const satisfies Record<string, ErrorClass>;

export type ErrorCode = keyof typeof ERROR_TABLE;
