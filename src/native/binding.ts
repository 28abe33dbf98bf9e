/** Compiles tfjs's native binding against the installed libtensorflow. Its sources, and Node's headers, come as packages. */

import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { packageFolder } from '../process/package-folder.js';
import { runTool } from '../process/run-tool.js';
import { BINDING_PACKAGE, LIBRARIES, type NativeLayout } from './layout.js';

const SOURCES = ['tfjs_binding.cc', 'tfjs_backend.cc'];
/** What Node loads is ours, and loads tfjs's. */
const OUTER_SOURCE = join(packageFolder, 'src/native/quiet-binding.cc');
const INNER_NAME = 'tfjs.so';
/** The Node-API that the binding is written for: every Node that the program supports has it. */
const NODE_API = 8;
const SHOWN_LINES = 15;

export interface Compiler {
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

/** Compiles the binding to its place in the layout, which finds the libraries beside it. Throws `install.failed`, and the signal's reason. */
export async function compileBinding(layout: NativeLayout, compiler: Compiler): Promise<void> {
  const folder = dirname(layout.binding);
  await mkdir(folder, { recursive: true });
  await compile(compiler, [...innerArguments(layout), '-o', join(folder, INNER_NAME)]);
  await compile(compiler, [OUTER_SOURCE, '-o', layout.binding, '-ldl']);
}

async function compile({ command, env, signal }: Compiler, what: readonly string[]): Promise<void> {
  const flags = ['-std=c++17', '-O2', '-shared', '-fPIC', `-DNAPI_VERSION=${NODE_API}`];
  const { code, signal: killedBy, stderr } = await runTool([...command, ...flags, `-I${nodeHeaders()}`, ...what], { env, signal });
  signal.throwIfAborted();
  if (code === 0) return;
  const shown = stderr.trimEnd().split('\n').slice(0, SHOWN_LINES).join('\n');
  const how = killedBy === null ? `exit code ${code}` : `signal ${killedBy}`;
  throw new StillhouseError('install.failed', `tfjs's binding does not compile with ${command.join(' ')} (${how}):\n${shown}\n`, {
    hint: 'Another compiler can be named by CXX: it must know C++17',
  });
}

function nodeHeaders(): string {
  return join(folderOf('node-api-headers'), 'include');
}

function innerArguments(layout: NativeLayout): string[] {
  const sources = join(folderOf(BINDING_PACKAGE), 'binding');
  return [
    ...[sources, layout.include].map((folder) => `-I${folder}`),
    ...SOURCES.map((name) => join(sources, name)),
    ...LIBRARIES.map((name) => join(layout.library, name)),
    '-Wl,-rpath,$ORIGIN/../lib',
  ];
}

function folderOf(packageName: string): string {
  return dirname(createRequire(import.meta.url).resolve(`${packageName}/package.json`));
}
