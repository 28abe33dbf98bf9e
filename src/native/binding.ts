/** Compiles tfjs's native binding against the installed libtensorflow. Packages bring the binding's sources and Node's headers. */

import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { runTool } from '../process/run-tool.js';
import { BINDING_PACKAGE, LIBRARIES, type NativeLayout } from './layout.js';

const SOURCES = ['tfjs_binding.cc', 'tfjs_backend.cc'];
/** The version of Node-API that the binding is written for. Every Node that the program supports has it. */
const NODE_API = 8;
const SHOWN_LINES = 15;

export interface Compiler {
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

/**
 * Compiles the binding to its place in the layout; it finds the libraries by a path relative to its own. Throws
 * `install.failed` with the compiler's first lines, or the signal's reason.
 */
export async function compileBinding(layout: NativeLayout, { command, env, signal }: Compiler): Promise<void> {
  await mkdir(dirname(layout.binding), { recursive: true });
  const { code, signal: killedBy, stderr } = await runTool([...command, ...compilerArguments(layout)], { env, signal });
  signal.throwIfAborted();
  if (code === 0) return;
  const shown = stderr.trimEnd().split('\n').slice(0, SHOWN_LINES).join('\n');
  const how = killedBy === null ? `exit code ${code}` : `signal ${killedBy}`;
  throw new StillhouseError('install.failed', `tfjs's binding does not compile with ${command.join(' ')} (${how}):\n${shown}\n`, {
    hint: 'Set CXX to another compiler that knows C++17, and run the command again',
  });
}

function compilerArguments(layout: NativeLayout): string[] {
  const sources = join(folderOf(BINDING_PACKAGE), 'binding');
  const nodeHeaders = join(folderOf('node-api-headers'), 'include');
  return [
    ...['-std=c++17', '-O2', '-shared', '-fPIC', `-DNAPI_VERSION=${NODE_API}`],
    ...[sources, nodeHeaders, layout.include].map((folder) => `-I${folder}`),
    ...SOURCES.map((name) => join(sources, name)),
    ...LIBRARIES.map((name) => join(layout.library, name)),
    '-Wl,-rpath,$ORIGIN/../lib',
    ...['-o', layout.binding],
  ];
}

function folderOf(packageName: string): string {
  return dirname(createRequire(import.meta.url).resolve(`${packageName}/package.json`));
}
