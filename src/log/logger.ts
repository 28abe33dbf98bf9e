/**
 * The log: JSON lines, one event name in each, with the run, the role and the worker as fields. The only pino import.
 * Lines are written synchronously, so a crash loses none. A log that cannot be written does not end the run: the first
 * failure is printed on the standard error.
 */

import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { pino } from 'pino';
import { messageOf } from '../errors/stillhouse-error.js';

export type LogFields = Readonly<Record<string, unknown>>;

/** Event names are `noun.verb`, like messages: 'worker.joined'. Errors go under the field `error`. */
export interface Logger {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** A logger that adds these fields to its lines. A field of the line itself replaces one of the logger. */
  child(bindings: LogFields): Logger;
}

export type LogLevel = 'info' | 'warn' | 'error' | 'silent';

export interface LoggerOptions {
  /** Lines are appended to this file. When its folder is gone, they go nowhere; when left out, to the standard error. */
  readonly file?: string;
  /** Fields of every line: run, role, worker, term. */
  readonly bindings: LogFields;
  /** The lowest level that is written; `info` when left out. */
  readonly level?: LogLevel;
}

/** Opens a log. Throws Node's error when the file cannot be opened. */
export function openLogger({ file, bindings, level = 'info' }: LoggerOptions): Logger {
  // The coordinator has made the folder of the run. One that was deleted since is not made anew for a log alone.
  if (file !== undefined && !existsSync(dirname(file))) return silentLogger;
  const destination = pino.destination(file === undefined ? { dest: 2, sync: true } : { dest: file, sync: true, append: true });
  // When the log goes to the standard error itself, there is no other place to report the failure.
  let told = file === undefined;
  destination.on('error', (error) => {
    if (!told) process.stderr.write(`the log cannot be written: ${messageOf(error)}\n`);
    told = true;
  });
  const options = {
    level,
    base: null,
    messageKey: 'event',
    errorKey: 'error',
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: pino.stdSerializers.err },
  };
  return loggerOf(pino(options, destination), bindings);
}

/** A logger that writes nothing. */
export const silentLogger: Logger = { info() {}, warn() {}, error() {}, child: () => silentLogger };

/** Merges the fields here, because pino would write a field that both have as two keys of one line. */
function loggerOf(inner: pino.Logger, bindings: LogFields): Logger {
  return {
    info: (event, fields) => inner.info({ ...bindings, ...fields }, event),
    warn: (event, fields) => inner.warn({ ...bindings, ...fields }, event),
    error: (event, fields) => inner.error({ ...bindings, ...fields }, event),
    child: (more) => loggerOf(inner, { ...bindings, ...more }),
  };
}
