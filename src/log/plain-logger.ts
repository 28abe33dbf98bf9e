/** A logger for a terminal: its warnings and errors are plain lines, like all else that a person reads there. */

import { asStillhouseError, messageOf } from '../errors/stillhouse-error.js';
import type { LogFields, Logger } from './logger.js';

/** The fields that say where something happened, in the order of a sentence. */
const PLACES = ['stage', 'peer', 'round', 'step', 'from'] as const;

export interface PlainLoggerOptions {
  /** The beginning of each line, such as the worker's name. */
  readonly name: string;
  /** Takes each line, without its end. */
  readonly write: (line: string) => void;
  /** Events that people are told in another way. */
  readonly leaveOut: readonly string[];
}

/** A logger that writes warnings and errors as sentences, and nothing else. */
export function plainLogger({ name, write, leaveOut }: PlainLoggerOptions): Logger {
  const tell = (level: string, event: string, fields?: LogFields): void => {
    if (!leaveOut.includes(event)) write(`${name}: ${level}: ${describe(event, fields)}`);
  };
  const logger: Logger = {
    info() {},
    warn: (event, fields) => tell('warning', event, fields),
    error: (event, fields) => tell('error', event, fields),
    child: () => logger,
  };
  return logger;
}

/** `work failed (stage s, round 3): the reason`. */
function describe(event: string, fields: LogFields = {}): string {
  const places = PLACES.flatMap((key) => (isShort(fields[key]) ? [`${key} ${fields[key]}`] : []));
  const where = places.length === 0 ? '' : ` (${places.join(', ')})`;
  const why = reasonOf(fields);
  return `${spell(event)}${where}${why === null ? '' : `: ${why}`}`;
}

/** `work.failed` is "work failed", and `exchange.notHeld` "exchange not held". */
function spell(event: string): string {
  return event.replace('.', ' ').replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** A fault of the program with its stack; any other error in its own words. */
function reasonOf({ error, message, reason, detail }: LogFields): string | null {
  if (error instanceof Error && asStillhouseError(error) === null) return error.stack ?? error.message;
  if (error !== undefined) return messageOf(error);
  const words = [message, reason, detail].filter(isShort);
  return words.length === 0 ? null : words.join(': ');
}

function isShort(value: unknown): value is string | number {
  return typeof value === 'number' || (typeof value === 'string' && value !== '');
}
