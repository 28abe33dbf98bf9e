/** `stillhouse worker`: one worker for a coordinator that was started by hand. A worker that dies is not started again. */

import { availableParallelism, hostname } from 'node:os';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { ENGINE_CHOICES } from '../config/schema.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { EXIT } from '../errors/table.js';
import { describeEnd, startChild } from '../process/child.js';
import { exitCodeOf, type StopSignal } from '../process/signal.js';
import { onStopSignal } from '../process/stop-request.js';
import { field } from '../protocol/field.js';
import type { ParentToWorker, WorkerArguments, WorkerToParent } from '../protocol/parent.js';
import { isLoopback, requireEndpoint } from '../transport/endpoint.js';
import { action, type CliContext, EXIT_CODES, examples } from './cli-context.js';
import { endWorkerNow } from './end-worker.js';
import { checkEndpoint } from './endpoint-option.js';
import type { Output } from './output.js';
import { shortageOfThreads } from './place-workers.js';

/** A worker that was asked to leave the run gets this time to end. */
const STOP_MS = 10_000;

interface WorkerOptions {
  readonly role: WorkerArguments['role'];
  readonly coordinator: string;
  readonly name?: string;
  readonly engine?: NonNullable<WorkerArguments['engine']>;
  readonly threads?: number;
  readonly peer?: string;
  readonly listenHost?: string;
  readonly data?: string;
  readonly keep?: number;
  readonly insecure?: boolean;
}

/** Adds the command to the program. */
export function addWorkerCommand(program: Command, context: CliContext): void {
  program
    .command('worker')
    .description('take part in a run as a teacher or a student')
    .addOption(new Option('--role <role>', 'the role of this worker (required)').choices(['teacher', 'student']).makeOptionMandatory())
    .requiredOption('--coordinator <address>', 'the address that the coordinator printed (required)')
    .option('--name <name>', 'the name of this worker in the run (default: role, host and process id)', parseName)
    .addOption(new Option('--engine <engine>', 'the engine to compute with (default: as the recipe says)').choices(ENGINE_CHOICES))
    .option('--threads <number>', 'the number of threads that may compute (default: one for each core of this machine)', parseThreads)
    .option('--peer <peer>', 'the peer that this student trains, in stages that have one of this name (default: any)', parsePeer)
    .option('--listen-host <host>', 'the address of this machine that other workers can reach (default: 127.0.0.1)')
    .option(
      '--data <path>',
      'the place of the data on this machine (default: the data.path of the recipe); what is not there comes from the coordinator',
    )
    .option(
      '--keep <GiB>',
      'the most GiB that are kept here of the images that come from the coordinator, and of its data sets that are read whole (default: 20 of each)',
      parseGib,
    )
    .option('--insecure', 'allow addresses that other machines can reach, without any protection')
    .addHelpText(
      'after',
      examples(
        'stillhouse worker --role student --coordinator tcp://127.0.0.1:7700',
        'stillhouse worker --role student --coordinator tcp://127.0.0.1:7700 --threads 2',
        'stillhouse worker --role student --coordinator tcp://127.0.0.1:7700 --data /data/cifar-100-binary',
        'stillhouse worker --role teacher --coordinator tcp://10.0.0.1:7700 --listen-host 10.0.0.2 --insecure',
      ) + EXIT_CODES,
    )
    .action(
      action<WorkerOptions>(context, async ({ options, output }) => {
        const { role, coordinator, name = defaultName(role), peer, engine, threads, listenHost, data, keep, insecure = false } = options;
        requireEndpoint(coordinator);
        if (peer !== undefined && role === 'teacher') {
          throw new StillhouseError('usage.invalid', '--peer is for students: a teacher answers for any model', { hint: 'Leave it out' });
        }
        if (listenHost === undefined && insecure && !isLoopback(coordinator)) {
          throw new StillhouseError('usage.invalid', `${coordinator} is another machine, and its workers cannot reach 127.0.0.1 here`, {
            hint: 'Give --listen-host with the address of this machine on that network',
          });
        }
        checkEndpoint(coordinator, insecure, output);
        const shortage = threads === undefined ? null : shortageOfThreads(threads, availableParallelism());
        if (shortage !== null) output.alert(`warning: ${shortage}`);
        if (listenHost !== undefined) checkEndpoint(`tcp://${listenHost}:*`, insecure, output);
        const plan: WorkerArguments = {
          ...{ role, coordinator, name, insecure },
          ...(peer === undefined ? {} : { peer }),
          ...(engine === undefined ? {} : { engine }),
          ...(threads === undefined ? {} : { placement: { device: 'cpu', threads } }),
          ...(listenHost === undefined ? {} : { listenHost }),
          ...(data === undefined ? {} : { data: resolve(data) }),
          ...(keep === undefined ? {} : { fedBytes: Math.round(keep * 2 ** 30) }),
        };
        return workHere(plan, context, output);
      }),
    );
}

/** Starts the worker and waits for its end. The first signal drains it, the second one ends it at once. Answers the exit code. */
async function workHere(plan: WorkerArguments, { clock }: CliContext, output: Output): Promise<number> {
  const child = startChild<WorkerToParent, ParentToWorker>({ module: 'worker/main.js', args: [JSON.stringify(plan)] });
  child.onMessage(({ text }) => output.note(`worker ${plan.name}: ${text}`));
  let stoppedBy: StopSignal | null = null;
  const offSignal = onStopSignal({
    clock,
    ask(signal) {
      stoppedBy = signal;
      child.send({ type: 'stop', reason: signal });
      clock.after(STOP_MS, () => endWorkerNow(child, clock), { unref: true });
    },
    offerForce: () => output.note(`worker ${plan.name}: leaving the run; a second signal (Ctrl-C) stops the worker at once`),
    force: () => endWorkerNow(child, clock),
    checkpoint() {
      output.note(`worker ${plan.name}: asks the coordinator for a checkpoint`);
      child.send({ type: 'checkpoint' });
    },
  });
  output.note(`worker ${plan.name}: ${plan.role} of ${plan.coordinator}`);
  const end = await child.ended;
  offSignal();
  if (stoppedBy !== null) return exitCodeOf(stoppedBy);
  if (end.code !== EXIT.done) output.alert(`worker ${plan.name} ended (${describeEnd(end)})`);
  return end.code ?? EXIT.failed;
}

function parseThreads(text: string): number {
  const threads = Number(text);
  if (Number.isInteger(threads) && threads >= 1) return threads;
  throw new InvalidArgumentError('It must be a whole number from 1.');
}

function parseGib(text: string): number {
  const gib = Number(text);
  if (text.trim() !== '' && gib >= 0 && gib <= 2 ** 20) return gib;
  throw new InvalidArgumentError('It must be a number from 0.');
}

function parseName(text: string): string {
  if (field.name.safeParse(text).success) return text;
  throw new InvalidArgumentError('It must be letters, digits, ".", "_" and "-", starting with a letter or digit.');
}

function parsePeer(text: string): string {
  if (field.peer.safeParse(text).success) return text;
  throw new InvalidArgumentError('It must be the name of a peer, such as big.');
}

function defaultName(role: string): string {
  const host = hostname()
    .replace(/[^A-Za-z0-9-]/g, '-')
    .slice(0, 40);
  return `${role}-${host}-${process.pid}`;
}
