/**
 * The wheels with libtensorflow, and the choice of one for a machine. Pure. Name, size and hash are pinned: an index must
 * offer exactly this file under the name.
 */

import { LIBRARY_VERSION } from './layout.js';

export interface Wheel {
  readonly project: string;
  readonly version: string;
  readonly fileName: string;
  readonly sha256: string;
  readonly bytes: number;
  /** The size of the unpacked parts. */
  readonly unpackedBytes: number;
  /** The platform by pip's name for it. */
  readonly platform: string;
}

/** The properties of a machine that decide which wheel fits. */
export interface System {
  /** Node's names, such as 'linux' and 'x64'. */
  readonly platform: string;
  readonly arch: string;
  /** The version of the GNU C library; null when the machine has another C library (musl). */
  readonly glibc: string | null;
  /** The instructions of the processor by their names in /proc/cpuinfo; null when they are not known. */
  readonly instructions: ReadonlySet<string> | null;
}

/** The Python version of the wheel, which pip needs to find it. Python code of the wheel never runs. */
export const WHEEL_PYTHON = '3.11';
const GLIBC_LEAST = '2.27';
/** The instructions that the library for x64 uses on every processor. */
const X64_INSTRUCTION = 'avx';

const WHEELS: Readonly<Record<string, Wheel>> = {
  x64: {
    project: 'tensorflow-cpu',
    version: LIBRARY_VERSION,
    fileName: `tensorflow_cpu-${LIBRARY_VERSION}-cp311-cp311-manylinux_2_27_x86_64.whl`,
    sha256: '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
    bytes: 273_829_956,
    unpackedBytes: 853_868_899,
    platform: 'manylinux_2_27_x86_64',
  },
  arm64: {
    project: 'tensorflow',
    version: LIBRARY_VERSION,
    fileName: `tensorflow-${LIBRARY_VERSION}-cp311-cp311-manylinux_2_27_aarch64.whl`,
    sha256: '4b24aca16d527a3cf1c37f720c04c484c3d20f4d0fdfa98632ac8b9f3be6eb5c',
    bytes: 281_828_020,
    unpackedBytes: 883_622_171,
    platform: 'manylinux_2_27_aarch64',
  },
};

/** Chooses the wheel for a machine. Answers the reason, in words, when there is none. */
export function chooseWheel({ platform, arch, glibc, instructions }: System): Wheel | string {
  const wheel = WHEELS[arch];
  if (platform !== 'linux' || wheel === undefined) return `libtensorflow ${LIBRARY_VERSION} has no wheel for ${platform} ${arch}`;
  if (glibc === null) return `libtensorflow ${LIBRARY_VERSION} needs the GNU C library, and this system has another (Alpine's musl?)`;
  if (isOlder(glibc, GLIBC_LEAST)) {
    return `libtensorflow ${LIBRARY_VERSION} needs the GNU C library ${GLIBC_LEAST} or newer, and this system has ${glibc}`;
  }
  if (arch === 'x64' && instructions !== null && !instructions.has(X64_INSTRUCTION)) {
    return `libtensorflow ${LIBRARY_VERSION} needs a processor with ${X64_INSTRUCTION.toUpperCase()} instructions, and this one has none`;
  }
  return wheel;
}

function isOlder(version: string, than: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor = 0, leastMinor = 0] = than.split('.').map(Number);
  return major < leastMajor || (major === leastMajor && minor < leastMinor);
}
