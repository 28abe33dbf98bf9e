import { describe, expect, test } from 'vitest';
import { bfloat16Support } from '../../../src/system/bfloat16-support.js';

function cpuinfo(level: number, flags: string): string {
  const processor = [
    'vendor_id\t: GenuineIntel',
    `cpuid level\t: ${level}`,
    'wp\t\t: yes',
    `flags\t\t: fpu ${flags} vme`,
    'bogomips\t: 4600.00',
  ];
  return [...processor, '', ...processor, ''].join('\n');
}

describe('what bfloat16 is worth on a processor', () => {
  test.each([
    { what: 'AMX', level: 32, flags: 'avx512_bf16 amx_bf16 amx_tile', pays: true, says: /has AMX$/, capped: false },
    { what: 'AMX from the first leaf that shows it', level: 29, flags: 'amx_bf16 amx_tile', pays: true, says: /has AMX$/, capped: false },
    { what: 'AMX that is hidden', level: 28, flags: 'avx512_bf16 amx_bf16 amx_tile', pays: false, says: /hides/, capped: true },
    { what: 'AMX for whole numbers only', level: 32, flags: 'amx_tile amx_int8', pays: false, says: /no AMX/, capped: false },
    { what: "AVX-512's alone", level: 27, flags: 'avx512_bf16', pays: false, says: /no AMX/, capped: false },
    { what: 'nothing', level: 13, flags: 'avx2', pays: false, says: /no AMX/, capped: false },
  ])('$what', ({ level, flags, pays, says, capped }) => {
    const support = bfloat16Support(cpuinfo(level, flags));
    expect(support).toMatchObject({ pays, note: expect.stringMatching(says) });
    expect(support.environment).toEqual(capped ? { ONEDNN_MAX_CPU_ISA: 'AVX512_CORE_FP16' } : {});
  });

  test('a system without such a description', () => {
    expect(bfloat16Support('').pays).toBe(false);
  });
});
