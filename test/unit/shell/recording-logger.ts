/** A logger whose lines a test can look at. */

import type { LogFields, Logger } from '../../../src/log/logger.js';

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly event: string;
  readonly fields: LogFields;
}

export function recordingLogger(lines: LogLine[], bindings: LogFields = {}): Logger {
  const at = (level: LogLine['level']) => (event: string, fields?: LogFields) => {
    lines.push({ level, event, fields: { ...bindings, ...fields } });
  };
  return {
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (more) => recordingLogger(lines, { ...bindings, ...more }),
  };
}
