/**
 * Readable scripts for the coordinator's core. A script is a text file: comments, then blocks of
 *
 *   command name key=value ...
 *   ----
 *   what the core did
 *
 * with an empty line after each. Worker names stand for incarnations. With STILLHOUSE_REWRITE=1 in the environment the
 * expected output is written anew; read the difference before committing it.
 *
 * Commands: run, recover, join, hello, ready, serving, trained, averaged, unreachable, evaluated, failed, lost, leave,
 * checkpoint, renew, stored, exported, advance, stop, status.
 */

import { createHash } from 'node:crypto';
import { columnOf } from '../../coordinator/core/grid.js';
import { committedOf } from '../../coordinator/core/ledger.js';
import { recover } from '../../coordinator/core/recovery.js';
import { startRun, stepRun } from '../../coordinator/core/run.js';
import { DEFAULT_TIMING } from '../../coordinator/core/timing.js';
import type { RunState } from '../../coordinator/core/turn.js';
import type { CheckpointPart, CoreEvent, Effect, JournalRecord, RunPlan } from '../../coordinator/core/types.js';
import { assert, present } from '../../src/base/assert.js';
import { asIncarnation, asRoundId, asTerm, type Incarnation } from '../../src/base/ids.js';
import { MODEL_PEER } from '../../src/config/peer.js';
import type { FinishedRecipe } from '../../src/config/schema.js';
import { totalOf } from '../../src/data/shard-plan.js';
import type { ErrorCode } from '../../src/errors/table.js';
import type { RowCell, WorkerMessage } from '../../src/protocol/control.js';
import type { Range } from '../../src/protocol/field.js';
import type { StateName } from '../../src/protocol/state-name.js';
import { corePlan } from './core-plan.js';
import { UNMEASURED_CALIBRATION, UNMEASURED_LOSS } from './no-facts.js';

type Options = Readonly<Record<string, string>>;

/** Runs a script and gives it back with what the core really did. */
export function playScript(text: string): string {
  const stagehand = new Stagehand();
  return text
    .split('\n\n')
    .map((block) => {
      const lines = block.trimEnd().split('\n');
      const bar = lines.indexOf('----');
      if (bar < 1) return block.trimEnd();
      const head = lines.slice(0, bar);
      const output = stagehand.play(present(head.at(-1), 'a command'));
      return [...head, '----', ...output].join('\n');
    })
    .join('\n\n')
    .concat('\n');
}

class Stagehand {
  #state: RunState | null = null;
  #plan: RunPlan | null = null;
  #nowMs = 0;
  readonly #records: JournalRecord[] = [];
  readonly #checkpoints: CheckpointPart[] = [];
  readonly #names = new Map<string, Incarnation>();

  play(line: string): string[] {
    const [command = '', ...words] = line.trim().split(/\s+/);
    const name = words[0]?.includes('=') ? '' : (words[0] ?? '');
    const options = Object.fromEntries(words.filter((word) => word.includes('=')).map((word) => word.split('=') as [string, string]));
    if (command === 'run') return this.#start(options);
    if (command === 'recover') return this.#restart(options);
    if (command === 'status') return this.#status();
    if (command === 'join') return [...this.#deliver(this.#hello(name, options)), ...this.#deliver(this.#message('ready', name, options))];
    if (command === 'advance') {
      this.#nowMs += Number(name);
      return this.#deliver({ type: 'tick' });
    }
    return this.#deliver(this.#event(command, name, options));
  }

  #start(options: Options): string[] {
    this.#plan = planOf(options);
    const { state, effects } = startRun(this.#plan, recover([], []), this.#nowMs);
    this.#state = state;
    return this.#show(effects);
  }

  /** A new coordinator over the journal and the checkpoints of this script. */
  #restart({ force }: Options): string[] {
    const plan = present(this.#plan, 'a run');
    this.#plan = { ...plan, term: asTerm(plan.term + 1), isForced: force !== undefined };
    const { state, effects } = startRun(this.#plan, recover(this.#records, this.#checkpoints), this.#nowMs);
    this.#state = state;
    this.#names.clear();
    return this.#show(effects);
  }

  #deliver(event: CoreEvent): string[] {
    const { state, effects } = stepRun(present(this.#state, 'a run'), event, this.#nowMs);
    this.#state = state;
    return this.#show(effects);
  }

  #hello(name: string, options: Options): CoreEvent {
    const role = options.role === 'teacher' ? 'teacher' : 'student';
    const { pid = '1', host = 'h', peer = null } = options;
    return {
      type: 'message',
      connection: name,
      message: { type: 'worker.hello', protocol: 1, schema: '', worker: name, role, peer, host, pid: Number(pid) },
    };
  }

  #event(command: string, name: string, options: Options): CoreEvent {
    if (command === 'hello') return this.#hello(name, options);
    if (command === 'stop') return { type: 'stop', reason: 'a person asked' };
    if (command === 'checkpoint' && name === '') return { type: 'checkpoint' };
    if (command === 'exported') return this.#exportEnd(options);
    if (command === 'stored') return { type: 'checkpoint-stored', checkpoint: this.#store(), slotsOf: Number.POSITIVE_INFINITY };
    return this.#message(command, name, options);
  }

  #exportEnd({ code, round: named }: Options): CoreEvent {
    const stage = present(this.#state?.stage, 'a stage');
    const about = { stage: stage.name, round: Number(named ?? stage.round?.id) };
    if (code === undefined) return { type: 'exported', ...about };
    return { type: 'export-failed', ...about, code: code as ErrorCode, message: 'it did not work' };
  }

  #message(command: string, name: string, options: Options): CoreEvent {
    const { term } = present(this.#plan, 'a run');
    const from = { term: options.term ? asTerm(Number(options.term)) : term, incarnation: this.#incarnation(name) };
    return { type: 'message', connection: name, message: this.#body(command, from, options) };
  }

  #body(command: string, from: { term: RunPlan['term']; incarnation: Incarnation }, options: Options): WorkerMessage {
    const stage = this.#state?.stage;
    const round = asRoundId(Number(options.round ?? stage?.round?.id ?? 1));
    const attempt = Number(options.attempt ?? (stage?.round?.sort === 'grid' ? stage.round.attempt : 1));
    switch (command) {
      case 'ready':
        return { ...from, type: 'worker.ready', endpoint: `inproc://${from.incarnation}`, engine: 'cpu' };
      case 'serving':
        return { ...from, type: 'worker.serving', stage: present(stage, 'a stage').name };
      case 'renew':
        return {
          ...from,
          type: 'worker.renew',
          progress: 1,
          images: 100,
          busyMs: Number(options.busy ?? 100),
          controlBytes: 10,
          dataBytes: 1000,
        };
      case 'trained': {
        const samples = Number(options.samples ?? totalOf(this.#rangesOf(from.incarnation)));
        return {
          ...from,
          type: 'worker.trained',
          round,
          samples,
          lossSum: samples,
          ...UNMEASURED_LOSS,
          correct: 0,
          trainMs: samples,
          waitedMs: 0,
          late: {},
        };
      }
      case 'averaged': {
        const hash = createHash('sha256')
          .update(options.bits ?? `round ${round}`)
          .digest('hex');
        return { ...from, type: 'worker.averaged', round, attempt, hash, contained: this.#containedAfter() };
      }
      case 'unreachable':
        return {
          ...from,
          type: 'worker.unreachable',
          round,
          attempt,
          replica: this.#incarnation(options.replica ?? ''),
          message: 'no answer',
        };
      case 'evaluated':
        return {
          ...from,
          type: 'worker.evaluated',
          round,
          correct: Number(options.correct ?? 1),
          count: Number(options.count ?? 2),
          lossSum: 1,
          evaluateMs: 2,
          agreed: {},
          ...UNMEASURED_CALIBRATION,
          parameters: 10,
        };
      case 'failed':
        return { ...from, type: 'worker.failed', code: options.code ?? '', message: 'it did not work' };
      case 'lost':
        return { ...from, type: 'worker.lost', code: options.code ?? 'engine.crashed', message: 'signal SIGKILL' };
      case 'leave':
        return { ...from, type: 'worker.leave', message: 'drained' };
      case 'checkpoint':
        return { ...from, type: 'worker.checkpoint' };
      default:
        throw new Error(`unknown command ${command}`);
    }
  }

  #incarnation(name: string): Incarnation {
    return /^\d+$/.test(name) ? asIncarnation(Number(name)) : present(this.#names.get(name), `the worker ${name}`);
  }

  #rangesOf(incarnation: Incarnation): readonly Range[] {
    const round = this.#state?.stage?.round;
    assert(round?.sort === 'grid', 'no training is under way');
    return columnOf(round.grid, incarnation)?.ranges ?? [{ start: 0, end: 1 }];
  }

  #containedAfter(): number {
    const stage = present(this.#state?.stage, 'a stage');
    return committedOf(stage.ledger) + totalOf(stage.ledger.lent);
  }

  /** What was asked for is stored; it must be asked for while its parameters are the committed ones. */
  #store(): CheckpointPart {
    const stage = present(this.#state?.stage, 'a stage');
    const { round, parts } = present(stage.saving, 'a checkpoint that was asked for');
    const [peer] = present(
      [...parts].find(([, { isStored }]) => !isStored),
      'a part that is not stored',
    );
    const commit = this.#records.findLast((record) => record.type === 'commit' && record.round === round);
    assert(commit?.type === 'commit', `no commit of round ${round}`);
    const ranges = [{ start: 0, end: commit.committed }];
    const hash = commit.hashes[peer] ?? createHash('sha256').update(`alone ${round}`).digest('hex');
    const part = { state: { stage: stage.name, peer, round }, term: commit.term, ranges, hash };
    this.#checkpoints.push(part);
    return part;
  }

  #show(effects: readonly Effect[]): string[] {
    for (const effect of effects) {
      if (effect.type === 'journal') this.#records.push(effect.record);
      if (effect.type === 'send' && effect.message.type === 'coordinator.welcome')
        this.#names.set(effect.connection, effect.message.incarnation);
    }
    const lines = effects.flatMap((effect) => describeEffect(effect));
    return lines.length === 0 ? ['(nothing)'] : lines;
  }

  #status(): string[] {
    const { stage, roster, phase } = present(this.#state, 'a run');
    const members = [...roster.values()].map(({ worker, incarnation }) => `${worker}=${incarnation}`).join(' ');
    const lines = [`phase ${phase.type}, members ${members || 'none'}`];
    if (stage === null) return [...lines, 'no stage'];
    const { contained, pending, lent } = stage.ledger;
    const { round, peers } = stage.base;
    lines.push(`stage ${stage.name}: contained ${spell(contained)}, lent ${spell(lent)}, pending ${spell(pending)}`);
    for (const [peer, { holders, isStored }] of peers) {
      lines.push(`base round ${round} of ${peer}, holders ${holders.join(' ') || 'none'}${isStored ? ', stored' : ''}`);
    }
    return lines;
  }
}

function describeEffect(effect: Effect): string[] {
  switch (effect.type) {
    case 'send':
      return [`-> ${effect.connection}: ${describeMessage(effect.message)}`];
    case 'journal':
      return [`journal ${describeRecord(effect.record)}`];
    case 'retain':
      return [`retain ${effect.stage} ${effect.rounds.join(' ')}`];
    case 'export': {
      const { state, epoch, accuracy } = effect;
      return [`export ${spellState(state)}, epoch ${epoch} accuracy ${accuracy}`];
    }
    case 'finish':
      return [`finish ${effect.outcome} ${effect.code ?? ''}: ${effect.message}`];
    case 'report':
      return describeReported(effect.report);
    default:
      return [];
  }
}

function describeReported(report: Extract<Effect, { type: 'report' }>['report']): string[] {
  if (report.type === 'waiting') return [`waiting for a ${report.for}`];
  return report.type === 'warning' ? [`warning of ${report.stage}: ${report.message}`] : [];
}

function describeMessage(message: Extract<Effect, { type: 'send' }>['message']): string {
  switch (message.type) {
    case 'coordinator.assign': {
      const { round, base, work } = message;
      const what =
        work.kind === 'train'
          ? `train ${spell(work.ranges)} of ${work.roundSamples}, column ${work.column} of ${work.replicas}${spellRow(work.row)}`
          : `evaluate ${work.split}[${work.start},${work.end})`;
      const begin = base.init === null ? '' : `, with ${spellState(base.init.state)}`;
      const source = `${base.sources.length} sources${base.isStored ? ', stored' : ''}${begin}`;
      return `assign round ${round} ${spellModel(base.state)}: ${what}, base ${base.state.round} (${source})`;
    }
    case 'coordinator.average':
      return `average ${spellState(message.state)} attempt ${message.attempt}: ${message.contributors.map(({ incarnation, samples }) => `${incarnation}x${samples}`).join(' ')}`;
    case 'coordinator.commit':
      return `commit ${spellState(message.state)}${message.hash === null ? ' as trained' : ''}, ${message.committed} committed`;
    case 'coordinator.link':
      return `link ${message.stage} v${message.version}: ${message.teachers.map(({ incarnation }) => incarnation).join(' ') || 'nobody'}`;
    case 'coordinator.save':
      return message.others === null ? `keep slots of ${spellState(message.state)}` : `save ${spellState(message.state)}`;
    case 'coordinator.conclude':
      return `conclude round ${message.round}`;
    case 'coordinator.abandon':
      return `abandon round ${message.round}: ${message.reason}`;
    case 'coordinator.serve':
      return `serve ${message.stage} with ${spellState(message.from)}`;
    case 'coordinator.stop':
      return `stop ${message.outcome}: ${message.message}`;
    case 'coordinator.welcome':
      return `welcome incarnation ${message.incarnation}`;
    case 'coordinator.renewed':
      return 'renewed';
    case 'refuse':
      return `refuse ${message.of}, ${message.reason}: ${message.message}`;
    default:
      throw new Error(`no words for ${JSON.stringify(message)}`);
  }
}

/** The cells of the row with which a student exchanges. */
function spellRow(row: readonly RowCell[]): string {
  return row.length === 0
    ? ''
    : `, with ${row.map(({ incarnation, column, ranges }) => `${incarnation} in ${column} ${spell(ranges)}`).join(' ')}`;
}

function describeRecord(record: JournalRecord): string {
  switch (record.type) {
    case 'commit':
      return `commit round ${record.round} by ${record.contributors.join(' ')} ${spell(record.ranges)}, ${record.committed} committed`;
    case 'checkpoint':
      return `checkpoint ${record.stage} ${record.round} of ${Object.keys(record.hashes).join(' ')}`;
    case 'rollback':
      return `rollback to ${record.round === null ? 'the beginning' : `round ${record.round}`}, ${record.committed} committed`;
    case 'evaluation':
      return `evaluation ${record.stage} epoch ${record.evaluation.epoch} accuracy ${record.evaluation.accuracy}`;
    case 'stage-done':
      return `stage-done ${record.result.stage} ${record.result.checkpoint?.round ?? ''}`.trimEnd();
    default:
      return `${record.type} ${record.term}`;
  }
}

const spellModel = ({ stage, peer }: Pick<StateName, 'stage' | 'peer'>): string => `${stage}${peer === MODEL_PEER ? '' : `.${peer}`}`;
const spellState = (state: StateName): string => `${spellModel(state)} ${state.round}`;

function spell(ranges: readonly Range[]): string {
  return ranges.map(({ start, end }) => `[${start},${end})`).join(' ') || 'nothing';
}

/** A recipe with a stage `base`, and with `distil=1` a stage `taught` that learns from it, and `export=1` an export; `guess`: the accuracy of guessing. */
function planOf(options: Options): RunPlan {
  const number = (key: string, fallback: number) => Number(options[key] ?? fallback);
  return corePlan({
    run: 'scenario',
    size: number('size', 8),
    rows: number('rows', 2),
    training: {
      epochs: number('epochs', 1),
      batch: number('batch', 4),
      every: number('every', 1),
      evaluateEvery: number('evaluateEvery', 1),
      checkpointEvery: number('checkpointEvery', 100),
    },
    students: number('students', 1),
    isTaught: options.distil !== undefined,
    isGiven: options.given !== undefined,
    isGathered: options.gathered !== undefined,
    exported: options.export === undefined ? null : finishedBase(options.export),
    ...(options.tested === undefined ? {} : { tested: finishedBase(options.tested) }),
    guess: options.guess === undefined ? undefined : Number(options.guess),
    timing: {
      ...DEFAULT_TIMING,
      firstRoundMs: number('roundMs', DEFAULT_TIMING.firstRoundMs),
      leaseMs: number('leaseMs', DEFAULT_TIMING.leaseMs),
      waitMs: number('waitMs', DEFAULT_TIMING.waitMs),
      failuresMax: number('failuresMax', DEFAULT_TIMING.failuresMax),
    },
  });
}

/** The model of the stage `base`: its best epoch, or its last. */
function finishedBase(epoch: string): FinishedRecipe {
  return epoch === 'best' ? { stage: 'base', epoch } : 'base';
}
