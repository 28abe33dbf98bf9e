/** README.md is the wire's specification: it names every message, field and refusal, and the limits as the code has them. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { LIMITS } from '../../../src/base/limits.js';
import { coordinatorMessageSchema, workerMessageSchema } from '../../../src/protocol/control.js';
import { dataAnswerSchema, dataRequestSchema } from '../../../src/protocol/data.js';
import { REFUSE_REASONS } from '../../../src/protocol/field.js';
import { PROTOCOL_VERSION } from '../../../src/protocol/version.js';

const readme = readFileSync(new URL('../../../src/protocol/README.md', import.meta.url), 'utf8');
const MEND = 'write it into src/protocol/README.md, or take it out of the code';

/** The fields that a plane's messages have in common: said once, above the tables. */
const CONTROL = ['type', 'term', 'incarnation'];
const DATA = ['type', 'id', 'tensors'];

const messages = [
  { schema: workerMessageSchema, common: CONTROL },
  { schema: coordinatorMessageSchema, common: CONTROL },
  { schema: dataRequestSchema, common: DATA },
  { schema: dataAnswerSchema, common: DATA },
].flatMap(({ schema, common }) =>
  schema.options.map((option) => ({
    type: option.shape.type.value as string,
    fields: Object.keys(option.shape).filter((name) => !common.includes(name)),
  })),
);

describe('messages', () => {
  test.each(messages.map(({ type, fields }) => [type, fields] as const))('%s has a line with its fields', (type, fields) => {
    const lines = readme.split('\n').filter((line) => line.startsWith(`| \`${type}\` |`));
    expect(lines.length, `${type} has no line in a table: ${MEND}`).toBeGreaterThan(0);
    for (const field of fields) {
      expect(
        lines.some((line) => line.split('|')[2]?.split(/[ ,]+/).includes(field)),
        `${type} does not mention its field ${field}: ${MEND}`,
      ).toBe(true);
    }
  });

  test('no line is about something that does not exist', () => {
    const named = [...readme.matchAll(/^\| `([\w.-]+)` \|/gm)].map(([, name]) => name!);
    const known = new Set<string>([...messages.map(({ type }) => type), ...REFUSE_REASONS, ...Object.keys(LIMITS)]);
    expect(
      named.filter((name) => !known.has(name)),
      MEND,
    ).toEqual([]);
  });
});

test.each(REFUSE_REASONS)('the refusal %s is a sentence', (reason) => {
  expect(readme, `${reason}: ${MEND}`).toMatch(new RegExp(`^\\| \`${reason}\` \\| .+\\. \\|`, 'm'));
});

test.each(Object.entries(LIMITS))('the limit %s is quoted as %i', (name, value) => {
  expect(readme, `${name}: ${MEND}`).toMatch(new RegExp(`^\\| \`${name}\` \\| ${value.toLocaleString('en')} \\|`, 'm'));
});

test('the protocol version is quoted', () => {
  expect(readme).toContain(`protocol version **${PROTOCOL_VERSION}**`);
});
