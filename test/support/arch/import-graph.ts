/** The imports among files of src, coordinator and worker, as dependency-cruiser reads it. Type-only imports are included and marked. */

import { cruise, type ICruiseResult } from 'dependency-cruiser';
import { packageFolder } from '../../../src/process/package-folder.js';

export const PROGRAM_FOLDERS = ['src', 'coordinator', 'worker'];

export interface Import {
  readonly from: string;
  /** A path from the package's folder, or the name of a package or of a module of Node. */
  readonly to: string;
  readonly isTypeOnly: boolean;
  readonly isDynamic: boolean;
  readonly isCircular: boolean;
  /** The way around, when circular. */
  readonly circle: readonly string[];
}

export interface ImportGraph {
  readonly files: readonly string[];
  readonly imports: readonly Import[];
}

/** Reads the sources; takes some seconds. */
export async function readImportGraph(): Promise<ImportGraph> {
  const { output } = await cruise(PROGRAM_FOLDERS, {
    baseDir: packageFolder,
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    ruleSet: { forbidden: [{ name: 'circle', from: {}, to: { circular: true } }] },
    validate: true,
  });
  const { modules } = output as ICruiseResult;
  const files = modules.map(({ source }) => source).filter(isProgram);
  const imports = modules
    .filter(({ source }) => isProgram(source))
    .flatMap(({ source, dependencies }) =>
      dependencies.map((dependency) => ({
        from: source,
        to: packageOf(dependency.resolved),
        isTypeOnly: dependency.dependencyTypes.includes('type-only'),
        isDynamic: dependency.dynamic,
        isCircular: dependency.circular,
        circle: (dependency.cycle ?? []).map(({ name }) => name),
      })),
    );
  return { files, imports };
}

function isProgram(path: string): boolean {
  return PROGRAM_FOLDERS.some((folder) => path.startsWith(`${folder}/`));
}

function packageOf(path: string): string {
  return /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? path;
}

/** All that these files bring into a process: their imports and those of what they import. */
export function reachable(graph: ImportGraph, from: readonly string[], follow: (edge: Import) => boolean): ReadonlySet<string> {
  const seen = new Set(from);
  const edges = graph.imports.filter(follow);
  for (const file of seen) for (const { from: source, to } of edges) if (source === file) seen.add(to);
  return seen;
}
