/**
 * The wheels that bring libtensorflow, and which of them fits a machine. Pure. Name, size and hash are pinned: what an
 * index offers under the name must be this very file.
 */

import { LIBRARY_VERSION } from './layout.js';

export interface Wheel {
  readonly project: string;
  readonly version: string;
  readonly fileName: string;
  readonly sha256: string;
  readonly bytes: number;
  /** What is unpacked of it. */
  readonly unpackedBytes: number;
  /** As pip names it. */
  readonly platform: string;
}

/** What a wheel asks of a machine. */
export interface System {
  /** As Node names them: 'linux', 'x64'. */
  readonly platform: string;
  readonly arch: string;
  /** The version of the C library, or null where it is another one (musl). */
  readonly glibc: string | null;
  /** The instructions of the processor by their names in /proc/cpuinfo; null when they are not known. */
  readonly instructions: ReadonlySet<string> | null;
}

/** The Python that the wheel is for. It never runs: only pip asks for it. */
export const WHEEL_PYTHON = '3.11';
const GLIBC_LEAST = '2.27';
/** What the library for x64 is compiled to use everywhere. */
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

/** The wheel for a machine, or in words why there is none. */
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
