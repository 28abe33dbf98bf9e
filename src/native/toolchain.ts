/** Finds the programs that an install runs on this machine: pip and a C++ compiler. */

import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { runTool, type ToolEnd } from '../process/run-tool.js';
import { readPipConfig } from './pip-output.js';

/** A tool, or the reason, in words, why there is none. */
export type Found<Tool = Command> = Tool | { readonly fault: string };

export interface Command {
  /** The program and its first arguments. */
  readonly command: readonly string[];
}

export interface PipCommand extends Command {
  /** pip's settings by name: 'proxy', 'cert'. */
  readonly settings: ReadonlyMap<string, string>;
}

const PIPS = [['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['pip3'], ['pip']];
const COMPILERS = [['g++'], ['c++'], ['clang++']];
/** A test program. It compiles and links only where the compiler has its standard library and a linker. */
const SMALL_LIBRARY = '#include <string>\nstd::string text() { return std::string(3, 0); }\n';

/** Finds the first pip that runs, with its settings. */
export async function findPip(env: NodeJS.ProcessEnv): Promise<Found<PipCommand>> {
  const faults: string[] = [];
  for (const command of PIPS) {
    if (!isOnPath(command[0] as string, env)) continue;
    const end = await runTool([...command, 'config', 'list'], { env });
    if (end.code === 0) return { command, settings: readPipConfig(end.stdout) };
    faults.push(`${command.join(' ')}: ${lastLine(end)}`);
  }
  return { fault: faults.length > 0 ? faults.join('; ') : 'neither python3 nor pip3 is on the PATH' };
}

/** Finds the compiler that CXX names, or else the first of the usual ones that can build a library. */
export async function findCompiler(env: NodeJS.ProcessEnv): Promise<Found> {
  const own = env.CXX?.trim() ?? '';
  const named = existsSync(own) ? [own] : own.split(/\s+/);
  const faults: string[] = [];
  for (const command of own === '' ? COMPILERS : [named]) {
    if (own === '' && !isOnPath(command[0] as string, env)) continue;
    const args = ['-std=c++17', '-shared', '-fPIC', '-x', 'c++', '-', '-o', '/dev/null'];
    const end = await runTool([...command, ...args], { env, input: SMALL_LIBRARY });
    if (end.code === 0) return { command };
    faults.push(`${command.join(' ')} does not build a small library: ${lastLine(end)}`);
  }
  return { fault: faults.length > 0 ? faults.join('; ') : 'neither g++ nor clang++ is on the PATH' };
}

function isOnPath(program: string, env: NodeJS.ProcessEnv): boolean {
  return (env.PATH ?? '').split(delimiter).some((folder) => folder !== '' && existsSync(join(folder, program)));
}

/** The line of a program's output that names its error: the first one with the word 'error' (compilers), or else the last one. */
function lastLine({ code, signal, stderr }: ToolEnd): string {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  return lines.find((line) => /\berror\b/.test(line)) ?? lines.at(-1) ?? (signal === null ? `exit code ${code}` : `signal ${signal}`);
}
