/** Reports as sentences. Pure. */

import { assertNever } from '../base/assert.js';
import { formatShare } from '../base/share.js';
import { spellPeer } from '../config/peer.js';
import type { Evaluation, Report, StageResult } from '../protocol/report.js';
import { formatCount, formatDuration } from './format-figure.js';
import { describeTraining } from './loss-text.js';

export type Progress = Extract<Report, { type: 'progress' }>;

/** One line for a report. */
export function describeReport(report: Report): string {
  switch (report.type) {
    case 'run-started':
      return `run ${report.run}${report.term > 1 ? `, start ${report.term}` : ''}: ${report.stages.join(', ')}`;
    case 'basis-changed':
      return report.changes.join('\n');
    case 'warning':
      return `${report.stage}: warning: ${report.message}`;
    case 'waiting':
      return `${report.stage}: waiting for a ${report.for}${describeMissing(report)}`;
    case 'stage-started':
      return `${report.stage}: ${report.kind}${report.epochs > 0 ? `, ${report.epochs} ${report.epochs === 1 ? 'epoch' : 'epochs'} of ${formatCount(report.samples / report.epochs)} images` : ''}`;
    case 'progress':
      return `${report.stage}: ${formatShare(shareDone(report))}, ${describeProgress(report)}`;
    case 'evaluated':
      return describeEvaluation(report);
    case 'skipped': {
      const { stage, peer, worker, samples, message } = report;
      const name = spellPeer({ stage, peer });
      return `${name}: ${formatCount(samples)} images are left out, because the step with them is not finite (${worker}: ${message})`;
    }
    case 'best-lost': {
      const { stage, peer, epoch, accuracy, kept } = report;
      const instead = kept === null ? 'no other is kept' : `the best that is kept is epoch ${kept.epoch}, ${formatShare(kept.accuracy)}`;
      return `${spellPeer({ stage, peer })}: the best epoch, ${epoch} with ${formatShare(accuracy)}, is lost: its checkpoint is damaged or was not stored; ${instead}`;
    }
    case 'trouble': {
      const { stage, message, failures } = report;
      return `${stage}: trouble${failures > 1 ? `, ${failures} times in a row` : ''}: ${message}`;
    }
    case 'rollback': {
      const { stage, checkpoint, committed, samples } = report;
      const from = checkpoint === null ? 'its beginning' : `checkpoint ${checkpoint}, ${formatShare(shareDone({ committed, samples }))}`;
      return `${stage}: back to ${from}`;
    }
    case 'checkpoint':
      return `${report.stage}: checkpoint ${report.stage}/${report.round} is on disk`;
    case 'fewer-replicas':
      return describeFewerReplicas(report);
    case 'stage-done': {
      const { stage, seconds } = report.result;
      return `${stage}: done in ${formatDuration(seconds)}${describeAccuracy(report.result)}`;
    }
    case 'worker-joined':
      return `${report.role} ${report.worker} joined (engine ${report.engine})`;
    case 'worker-prepared':
      return describePrepared(report);
    case 'worker-seated':
      return `student ${report.worker} trains ${spellPeer(report)}, column ${report.column}`;
    case 'worker-spare': {
      const { worker, stage, seats, peers, isFull } = report;
      const why = isFull ? `it uses ${seats}; a higher replicas in the recipe uses more` : `it uses them in groups of ${peers}`;
      return `student ${worker} has no part in ${stage} now, which has enough students: ${why}`;
    }
    case 'worker-gone':
      return `${report.role} ${report.worker} is gone: ${report.reason}`;
    case 'run-ended':
      // The error of a failed run comes as one of its own, with its code.
      return `run ${report.outcome}${report.message === '' || report.outcome === 'failed' ? '' : `: ${report.message}`}`;
    default:
      return assertNever(report, 'report');
  }
}

function describeEvaluation({ stage, evaluation }: Extract<Report, { type: 'evaluated' }>): string {
  const { peer, epoch, accuracy, loss, agreement, training } = evaluation;
  const when = epoch === 0 ? '' : ` after epoch ${epoch}`;
  const facts = training === null ? '' : describeTraining(training);
  const name = spellPeer({ stage, peer });
  return `${name}: accuracy ${formatShare(accuracy)}, test loss ${loss.toFixed(3)}${when}${describeAgreement(agreement)}${facts === '' ? '' : `; ${facts}`}`;
}

function describeAgreement(agreement: Evaluation['agreement']): string {
  const shares = Object.entries(agreement).map(([other, share]) => `${other} on ${formatShare(share)}`);
  return shares.length === 0 ? '' : `; says the same as ${shares.join(', ')} of the images`;
}

/** The models that lack a student, where the stage has several. */
function describeMissing({ stage, missing }: Extract<Report, { type: 'waiting' }>): string {
  if (missing.length === 0 || missing[0] === stage) return '';
  return missing.length === 1 ? ` for ${missing[0]}` : ` for each of ${missing.join(', ')}`;
}

/** The accuracy of each model of a finished stage, with a comma before it; empty when the stage tested none. */
export function describeAccuracy({ tests }: StageResult): string {
  const accuracies = tests.map(({ last }) => `${tests.length > 1 ? `${last.peer} ` : ''}${formatShare(last.accuracy)}`);
  return accuracies.length === 0 ? '' : `, accuracy ${accuracies.join(', ')}`;
}

/** The worker's name is left out, so workers that run alike have the same line. */
function describePrepared({ role, engine, stage, traced, precision, threads, note }: Extract<Report, { type: 'worker-prepared' }>): string {
  const what = role === 'teacher' ? 'teachers answer' : 'students train';
  const how = `${traced ? 'by graphs' : 'op by op'} on ${engine}, ${precision}, ${threads} ${threads === 1 ? 'thread' : 'threads'} each`;
  return `${stage}: ${what} ${how}${note === null ? '' : `: ${note}`}`;
}

/** The share of a stage's samples that are committed, from 0 to 1. */
export function shareDone({ committed, samples }: Pick<Progress, 'committed' | 'samples'>): number {
  return samples === 0 ? 1 : committed / samples;
}

/** A figure of a stage's progress. The lower its rank, the more it matters. */
export interface Figure {
  readonly text: string;
  readonly rank: number;
}

/** The figures of an unfinished stage: epoch, round, rate, loss, time left. */
export function progressFigures({ epoch, epochs, round, imagesPerSecond, loss, losses, waited, secondsLeft }: Progress): readonly Figure[] {
  const each = Object.entries(losses).map(([peer, own]) => `${peer} ${own.toFixed(3)}`);
  const trained = each.length === 0 ? loss.toFixed(3) : each.join(', ');
  const waits = Object.entries(waited).map(([peer, share]) => `${peer} ${formatShare(share)}`);
  return [
    { text: `epoch ${epoch}/${epochs}`, rank: 3 },
    { text: `round ${round}`, rank: 6 },
    { text: `${formatCount(imagesPerSecond)} images/s`, rank: 4 },
    { text: `training loss ${trained}`, rank: 2 },
    ...(waits.length === 0 ? [] : [{ text: `waited for each other: ${waits.join(', ')}`, rank: 5 }]),
    ...(secondsLeft === null ? [] : [{ text: `${formatDuration(secondsLeft)} left`, rank: 1 }]),
  ];
}

/** The same in a line. */
function describeProgress(report: Progress): string {
  return progressFigures(report)
    .map(({ text }) => text)
    .join(', ');
}

function describeFewerReplicas(report: Extract<Report, { type: 'fewer-replicas' }>): string {
  const { slotsOf, replicas, most } = report;
  const why = slotsOf >= most ? `a checkpoint holds that of ${most} at most` : 'the others did not hand it over in time';
  const what = `the checkpoint has the optimiser state of ${slotsOf} of ${replicas} students (${why})`;
  return `${spellPeer(report)}: ${what}; after a resume the others go on with that of the first, and the run does not have the bits of one that was not stopped`;
}
