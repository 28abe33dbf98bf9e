/**
 * What bfloat16 is worth on a processor, from Linux's description of it (/proc/cpuinfo). Pure.
 *
 * AMX is what makes it faster: on one processor a step of the ResNets took half the time of float32 with AMX, and half as
 * long again with AVX-512's bfloat16 alone. Some virtual machines announce AMX but hide CPUID's leaf 1D, the layout of its
 * tiles; oneDNN then writes programs that end the process with an illegal instruction
 * (https://github.com/uxlfoundation/oneDNN/issues/5689), in PyTorch as well. There it must be kept from using AMX. A leaf
 * that is there but empty cannot be told from this description.
 */

/** CPUID's leaf that describes AMX's tiles. */
const TILE_LEAF = 0x1d;

export interface Bfloat16Support {
  /** Whether a step in bfloat16 is faster than one in float32. */
  readonly pays: boolean;
  /** What was found, in words. */
  readonly note: string;
  /**
   * What a process must have in its environment before it first computes in bfloat16, or it may be ended. It changes
   * nothing for float32.
   */
  readonly environment: Readonly<Record<string, string>>;
}

/** What the text of /proc/cpuinfo says; an empty one, where there is no such file, says that nothing is known. */
export function bfloat16Support(cpuinfo: string): Bfloat16Support {
  const flags = new Set(fieldOf(cpuinfo, 'flags').split(' '));
  const hasTiles = flags.has('amx_tile') && flags.has('amx_bf16');
  const showsTiles = Number(fieldOf(cpuinfo, 'cpuid level')) >= TILE_LEAF;
  if (hasTiles && showsTiles) return { pays: true, note: 'the processor has AMX', environment: {} };
  if (hasTiles) {
    return {
      pays: false,
      note: 'the processor has AMX, but this virtual machine hides the layout of its tiles, so it cannot be used: bf16 is slower than precision: fp32 here',
      environment: { ONEDNN_MAX_CPU_ISA: 'AVX512_CORE_FP16' },
    };
  }
  return { pays: false, note: 'the processor has no AMX, without which bf16 is rarely faster than fp32', environment: {} };
}

/** Of the first processor. */
function fieldOf(cpuinfo: string, name: string): string {
  const line = cpuinfo.split('\n').find((text) => text.split(':')[0]?.trim() === name);
  return line?.slice(line.indexOf(':') + 1).trim() ?? '';
}
