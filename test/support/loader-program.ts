/**
 * The loader, its thread's program and what makes a source for them, compiled from the sources as they are: a thread does not go through the test
 * runner, and Node 20 runs no TypeScript. They lie in a temporary folder until the process ends.
 */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { packageFolder } from '../../src/process/package-folder.js';

const THREAD = 'src/data/loader/loader-thread.js';
const LOADER = 'src/data/loader/loader.js';
const SOURCE = 'src/data/resident-source.js';
let folder: string | null = null;

/** The folder that stands for the package's, with a `src` in it. Compiled on the first call. */
export function compiledLoader(): URL {
  folder ??= compile();
  return pathToFileURL(`${folder}/`);
}

/** The thread's program. */
export function loaderProgram(): URL {
  return new URL(THREAD, compiledLoader());
}

function compile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse-loader-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  symlinkSync(join(packageFolder, 'node_modules'), join(folder, 'node_modules'));
  const files = new Set([THREAD, LOADER, SOURCE]);
  for (const file of files) {
    const source = readFileSync(join(packageFolder, file.replace(/\.js$/, '.ts')), 'utf8');
    const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true };
    const { outputText } = ts.transpileModule(source, { compilerOptions });
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), outputText);
    for (const { fileName } of ts.preProcessFile(outputText).importedFiles) {
      if (fileName.startsWith('.')) files.add(normalize(join(dirname(file), fileName)));
    }
  }
  return folder;
}
