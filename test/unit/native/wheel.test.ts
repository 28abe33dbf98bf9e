import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import { BINDING_PACKAGE, BINDING_VERSION, LIBRARY_VERSION } from '../../../src/native/layout.js';
import { thisSystem } from '../../../src/native/this-system.js';
import { chooseWheel, type System } from '../../../src/native/wheel.js';

const DEBIAN: System = { platform: 'linux', arch: 'x64', glibc: '2.36', instructions: new Set(['sse4_2', 'avx', 'avx2']) };

describe('the wheel for a machine', () => {
  test.each<[string, Partial<System>, string]>([
    ['of x64', {}, 'manylinux_2_27_x86_64'],
    ['of arm64', { arch: 'arm64', instructions: null }, 'manylinux_2_27_aarch64'],
    ['with the oldest C library', { glibc: '2.27' }, 'manylinux_2_27_x86_64'],
    ['with a newer major C library', { glibc: '3.0' }, 'manylinux_2_27_x86_64'],
    ['whose processor is not known', { instructions: null }, 'manylinux_2_27_x86_64'],
  ])('%s', (_, change, platform) => {
    const wheel = chooseWheel({ ...DEBIAN, ...change });
    expect(wheel).toMatchObject({ version: LIBRARY_VERSION, platform, fileName: expect.stringContaining(`${platform}.whl`) });
    expect(wheel).toMatchObject({ sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
  });

  test.each<[string, Partial<System>, RegExp]>([
    ['macOS', { platform: 'darwin', arch: 'arm64', glibc: null }, /no wheel for darwin arm64/],
    ['Windows', { platform: 'win32', glibc: null }, /no wheel for win32 x64/],
    ['another processor', { arch: 'riscv64' }, /no wheel for linux riscv64/],
    ['musl', { glibc: null }, /needs the GNU C library, .*Alpine/],
    ['an old C library', { glibc: '2.17' }, /2\.27 or newer, .* 2\.17/],
    ['an old processor', { instructions: new Set(['sse4_2']) }, /processor with AVX/],
  ])('there is none for %s, in words', (_, change, words) => {
    expect(chooseWheel({ ...DEBIAN, ...change })).toMatch(words);
  });
});

test('this machine is looked at', () => {
  const system = thisSystem();
  expect(system).toMatchObject({ platform: process.platform, arch: process.arch });
  if (system.glibc !== null) expect(system.glibc).toMatch(/^\d+\.\d+/);
  if (system.instructions !== null) expect(system.instructions.size).toBeGreaterThan(10);
});

test('the folder of the binding is named after the release of the package that has its sources', () => {
  const { version } = createRequire(import.meta.url)(`${BINDING_PACKAGE}/package.json`) as { version: string };
  expect(BINDING_VERSION).toMatch(new RegExp(`^${version.replaceAll('.', '\\.')}-`));
});
