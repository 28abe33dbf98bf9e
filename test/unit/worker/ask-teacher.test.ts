import { afterEach, describe, expect, test } from 'vitest';
import { asIncarnation, asTerm } from '../../../src/base/ids.js';
import { LIMITS } from '../../../src/base/limits.js';
import type { DataRequestOf } from '../../../src/protocol/data.js';
import type { RefuseReason } from '../../../src/protocol/field.js';
import { type DataReply, refusal, serveData } from '../../../src/rpc/data-server.js';
import { toHalf } from '../../../src/tensor/half.js';
import { type KnowledgeSpec, LOGITS_SPEC } from '../../../src/tensor/knowledge.js';
import type { WireTensor } from '../../../src/tensor/tensor.js';
import { Connections } from '../../../worker/kit/connections.js';
import { askTeacher, type WantedKnowledge } from '../../../worker/student/ask-teacher.js';
import { createMemoryTransport } from '../../support/memory-transport.js';
import { type LogLine, recordingLogger } from '../shell/recording-logger.js';
import { VirtualClock } from '../shell/virtual-clock.js';

type Asked = DataRequestOf<'knowledge.get'>;

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

const tap = (i: number): KnowledgeSpec => ({ of: 'tap', layer: `layer ${i}`, reduce: null });
const wantedOf = (count: number, half = false): WantedKnowledge => ({
  specs: Array.from({ length: count }, (_, i) => tap(i)),
  shapes: Array.from({ length: count }, () => [2]),
  half,
});
const float32 = (name: string, shape: readonly number[], ...values: number[]): WireTensor => ({
  name,
  dtype: 'float32',
  shape,
  data: Float32Array.from(values),
});
const answer = (...tensors: WireTensor[]): DataReply => ({ header: { type: 'knowledge.answer', stage: 'taught' }, tensors });

/** Asks a server that answers as given for the knowledge of two samples. */
async function ask(wanted: WantedKnowledge, reply: (asked: Asked) => DataReply) {
  const [transport, clock] = [createMemoryTransport(), new VirtualClock()];
  const lines: LogLine[] = [];
  const asked: Asked[] = [];
  const server = await serveData({
    transport,
    endpoint: 'inproc://teacher',
    async answer({ header }) {
      asked.push(header as Asked);
      return reply(header as Asked);
    },
  });
  const connections = new Connections(transport, clock);
  open.push(connections, server);
  const context = { term: asTerm(3), connections, logger: recordingLogger(lines) };
  const teacher = { incarnation: asIncarnation(4), endpoint: 'inproc://teacher' };
  const use = { context, stage: 'taught', round: 7, step: 2, wanted };
  const result = askTeacher(use, teacher, { epoch: 5, samples: Int32Array.of(1, 2) });
  return { asked, lines, result: await result.catch((error: unknown) => error) };
}

describe('asking a teacher', () => {
  test.each([
    [1, [1]],
    [LIMITS.specs, [LIMITS.specs]],
    [2 * LIMITS.specs + 3, [LIMITS.specs, LIMITS.specs, 3]],
  ])('%i specs are requests of %j, and one answer in the order of the specs', async (count, parts) => {
    const { asked, result } = await ask(wantedOf(count), ({ specs }) =>
      answer(
        ...specs.map((spec, i) => {
          const place = spec.of === 'tap' ? Number(spec.layer.split(' ')[1]) : -1;
          return float32(`knowledge.${i}`, [2, 2], place, 1, 2, 3);
        }),
      ),
    );
    expect(asked.map(({ specs }) => specs.length)).toEqual(parts);
    expect(asked[0]).toMatchObject({ term: 3, stage: 'taught', about: { of: 'view', epoch: 5 }, half: false });
    const places = (result as { data: Float32Array }[]).map(({ data }) => data[0]);
    expect(places).toEqual(Array.from({ length: count }, (_, i) => i));
  });

  test.each([
    ['[B, B]', [2, 2], 4, [{ shape: [2, 2] }]],
    ['of more columns', [2, 3], 6, { code: 'protocol.invalid', message: expect.stringContaining('[2,3], and [2,2] was asked for') }],
  ])('similarities are taken as [B, B]: %s', async (_, shape, count, expected) => {
    const wanted: WantedKnowledge = { specs: [{ of: 'similarity', layer: 'pool' }], shapes: [['view']], half: false };
    const { result } = await ask(wanted, () => answer(float32('knowledge.0', shape, ...new Array<number>(count).fill(0.5))));
    expect(result).toMatchObject(expected);
  });

  test('float16 becomes float32', async () => {
    const halves = toHalf(Float32Array.of(0.5, -2, 65_504, 0.1));
    const { asked, result } = await ask(wantedOf(1, true), () =>
      answer({ name: 'knowledge.0', dtype: 'float16', shape: [2, 2], data: halves.fits ? halves.bits : new Uint16Array() }),
    );
    expect(asked[0]?.half).toBe(true);
    expect(result).toEqual([{ shape: [2, 2], data: Float32Array.of(0.5, -2, 65_504, 0.0999755859375) }]);
  });

  test.each<[string, DataReply, object]>([
    ['of too few tensors', answer(), { code: 'protocol.invalid', message: expect.stringContaining('0 tensors, and 1 were asked for') }],
    [
      'of another shape',
      answer(float32('knowledge.0', [4], 1, 2, 3, 4)),
      { code: 'protocol.invalid', message: expect.stringContaining('knowledge.0 of [4], and [2,2] was asked for') },
    ],
    [
      'of another name',
      answer(float32('logits', [2, 2], 1, 2, 3, 4)),
      { code: 'protocol.invalid', message: expect.stringContaining('the tensor logits (float32) in the place of knowledge.0') },
    ],
    [
      'of another dtype',
      answer({ name: 'knowledge.0', dtype: 'int32', shape: [2, 2], data: new Int32Array(4) }),
      { code: 'protocol.invalid', message: expect.stringContaining('the tensor knowledge.0 (int32)') },
    ],
    ['that is not finite', answer(float32('knowledge.0', [2, 2], 1, 2, Number.NaN, 4)), { code: 'training.notFinite' }],
    [
      'about another stage',
      { header: { type: 'knowledge.answer', stage: 'other' }, tensors: [] },
      { code: 'protocol.invalid', message: expect.stringContaining('about stage other, not taught') },
    ],
  ])('an answer %s is not taken', async (_, reply, error) => {
    const { result, lines } = await ask(wantedOf(1), () => reply);
    expect(result).toMatchObject(error);
    expect(lines).toMatchObject([{ event: 'knowledge.failed', fields: { stage: 'taught', round: 7, step: 2, epoch: 5 } }]);
  });

  test.each<[RefuseReason, string]>([
    ['not-finite', 'training.notFinite'],
    ['beyond-half', 'knowledge.beyondHalf'],
    ['unknown-tap', 'recipe.invalid'],
    ['busy', 'request.refused'],
    ['not-ready', 'request.refused'],
  ])('the refusal %s is the error %s', async (reason, code) => {
    const { result } = await ask({ specs: [LOGITS_SPEC], shapes: [[2]], half: true }, () => refusal(reason, 'in its own words'));
    expect(result).toMatchObject({ code, message: expect.stringContaining('in its own words') });
  });
});
