import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.js';
import type { InstallReport } from '../../src/native/install-report.js';
import { installTensorflow } from '../../src/native/install-tensorflow.js';
import { nativeLayout } from '../../src/native/layout.js';
import { findCompiler } from '../../src/native/toolchain.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';

describeTensorflow('where only the binding is missing', () => {
  test('it is compiled, in a path with a space, and the engine computes with it', async (context) => {
    const compiler = await findCompiler(process.env);
    if ('fault' in compiler) return context.skip(`a compiler is needed: ${compiler.fault}`);
    const cache = mkdtempSync(join(tmpdir(), 'stillhouse binding '));
    const layout = nativeLayout('cpu', cache);
    const real = nativeLayout('cpu');
    mkdirSync(layout.folder);
    symlinkSync(real.library, layout.library);
    symlinkSync(real.include, layout.include);
    writeFileSync(layout.manifest, '{}\n');
    const reports: InstallReport[] = [];
    const report = (one: InstallReport): void => void reports.push(one);
    const options = { env: process.env, clock: systemClock, signal: new AbortController().signal, report, cache };
    expect(await installTensorflow(options)).toMatchObject({ done: 'binding', folder: layout.folder });
    expect(await installTensorflow(options)).toMatchObject({ done: 'nothing' });
    expect(reports.map((one) => (one.type === 'step' ? one.step : one.type))).toEqual(['compile', 'try', 'try']);
    rmSync(cache, { recursive: true });
  });
});
