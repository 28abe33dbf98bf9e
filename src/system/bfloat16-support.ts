/**
 * Whether bfloat16 is faster than float32 on a processor, by Linux's description of it (/proc/cpuinfo). Pure.
 *
 * Only AMX makes bfloat16 faster: on one processor, a step of the ResNets took 0.5 of float32's time with AMX, and 1.5 of
 * it with AVX-512's bfloat16 alone. Some virtual machines announce AMX but hide CPUID's leaf 1D, the layout of its tiles.
 * There oneDNN generates code that ends the process with an illegal instruction
 * (https://github.com/uxlfoundation/oneDNN/issues/5689), in PyTorch as well, so oneDNN must be kept from using AMX. This
 * description does not show a leaf that exists but is empty.
 */

/** CPUID's leaf that describes AMX's tiles. */
const TILE_LEAF = 0x1d;

export interface Bfloat16Support {
  /** Whether a step in bfloat16 is faster than one in float32. */
  readonly pays: boolean;
  /** The finding, in words. */
  readonly note: string;
  /**
   * Variables that a process needs in its environment before it first computes in bfloat16; without them an illegal
   * instruction may end it. They change nothing for float32.
   */
  readonly environment: Readonly<Record<string, string>>;
}

/** Reads the text of /proc/cpuinfo. An empty text means that there is no such file: then bfloat16 counts as slower. */
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

/** The value of a field of the first processor; empty when it has none. */
function fieldOf(cpuinfo: string, name: string): string {
  const line = cpuinfo.split('\n').find((text) => text.split(':')[0]?.trim() === name);
  return line?.slice(line.indexOf(':') + 1).trim() ?? '';
}
