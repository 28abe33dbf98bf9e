/** The rooms that a file may import. Each rule says what it forbids and how to mend it. */

import { isBuiltin } from 'node:module';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Import, type ImportGraph, reachable, readImportGraph } from '../support/arch/import-graph.js';

let graph: ImportGraph;
beforeAll(async () => {
  graph = await readImportGraph();
});

interface Rule {
  readonly name: string;
  readonly mend: string;
  readonly forbids: (edge: Import) => boolean;
}

/** The rooms of src, from the ground up: each imports only itself and rooms before it in this list. */
const ROOMS = [
  ...['base', 'errors', 'log', 'config', 'system', 'process', 'native', 'tensor', 'protocol', 'transport', 'rpc', 'averaging'],
  ...['data', 'nn', 'losses', 'optim', 'step', 'engines', 'trace', 'programs', 'checkpoint', 'recipe', 'cli'],
];
/** The rooms of the worker, in the same way: the engine's process runs both roles, and the agent knows its messages. */
const WORKER_ROOMS = ['kit', 'teacher', 'student', 'engine', 'agent'];
/** Roles that never import each other. */
const APART = /^worker\/(teacher|student)\//;

const TFJS_ROOMS = /^(src\/(nn|losses|optim|step|engines|trace|programs)|worker\/(kit|teacher|student))\//;
const CORE_MAY_IMPORT =
  /^(coordinator\/core\/|src\/(base|errors|protocol)\/|src\/config\/(batch|peer|schema|stage-graph|stage-kinds)\.ts|src\/data\/shard-plan\.ts)/;

/** The place of a file's room in a list of rooms under `parent`; -1 for a file that lies elsewhere. */
function levelOf(file: string, parent: string, rooms: readonly string[]): number {
  const [top, room] = file.split('/');
  return top === parent && room !== undefined ? rooms.indexOf(room) : -1;
}

function isUpward({ from, to }: Import, parent: string, rooms: readonly string[]): boolean {
  const target = levelOf(to, parent, rooms);
  return target >= 0 && levelOf(from, parent, rooms) >= 0 && target > levelOf(from, parent, rooms);
}

/** `home` is the one folder in which one file may import the package. */
const SINGLE_IMPORTERS = [
  { name: 'zeromq', home: 'src/transport/' },
  { name: 'msgpackr', home: 'src/protocol/' },
  { name: 'pino', home: 'src/log/' },
] as const;

const RULES: readonly Rule[] = [
  {
    name: 'src is a library: it imports neither coordinator nor worker',
    mend: 'move what is shared into a room of src, or pass it in as an argument',
    forbids: ({ from, to }) => from.startsWith('src/') && /^(coordinator|worker)\//.test(to),
  },
  {
    name: 'coordinator and worker meet only in the protocol',
    mend: 'describe what they say to each other in src/protocol',
    forbids: ({ from, to }) =>
      (from.startsWith('coordinator/') && to.startsWith('worker/')) || (from.startsWith('worker/') && to.startsWith('coordinator/')),
  },
  {
    name: `a room of src imports only rooms before it: ${ROOMS.join(', ')}`,
    mend: 'move what both need to the lower of the two rooms, or pass it in as an argument',
    forbids: (edge) => isUpward(edge, 'src', ROOMS),
  },
  {
    name: `a room of the worker imports only rooms before it: ${WORKER_ROOMS.join(', ')}; teacher and student do not know each other`,
    mend: 'move what both need to worker/kit',
    forbids: (edge) =>
      isUpward(edge, 'worker', WORKER_ROOMS) ||
      (APART.test(edge.from) && APART.test(edge.to) && edge.from.split('/')[1] !== edge.to.split('/')[1]),
  },
  {
    name: 'the coordinator decides in pure code: core imports base, errors, messages, the recipe and the shard plan',
    mend: 'do it in coordinator/shell and give the core an event; or return an effect',
    forbids: ({ from, to }) => from.startsWith('coordinator/core/') && !CORE_MAY_IMPORT.test(to),
  },
  {
    name: 'tfjs stays in the rooms that compute',
    mend: 'work with typed arrays here, and turn them into tensors in src/nn, losses, optim, step, engines, trace, programs, or in worker/kit, teacher or student',
    forbids: ({ from, to }) => to.startsWith('@tensorflow/') && !TFJS_ROOMS.test(from),
  },
  {
    name: 'no circles',
    mend: 'move what both need into a third file',
    forbids: ({ isCircular }) => isCircular,
  },
];

function describeImport({ from, to, circle }: Import): string {
  return circle.length > 0 ? `${from} -> ${circle.join(' -> ')}` : `${from} -> ${to}`;
}

test('the graph is there: every rule has something to look at', () => {
  const targets = graph.imports.map(({ to }) => to);
  expect(targets).toEqual(expect.arrayContaining(['zeromq', 'msgpackr', 'pino', 'zod', '@tensorflow/tfjs-core', 'src/base/assert.ts']));
  expect(graph.files).toEqual(expect.arrayContaining(['src/cli/main.ts', 'coordinator/core/run.ts', 'worker/engine/main.ts']));
  expect(graph.imports.some(({ isTypeOnly }) => isTypeOnly)).toBe(true);
  expect(graph.imports.some(({ isDynamic }) => isDynamic)).toBe(true);
});

test('the lists of rooms are those that are there', () => {
  const roomsUnder = (parent: string) => {
    const rooms = graph.files
      .filter((file) => file.startsWith(`${parent}/`) && file.split('/').length > 2)
      .map((file) => file.split('/')[1]);
    return [...new Set(rooms)].sort();
  };
  const mend =
    'a room without a place in the list. To mend: give it one in test/arch, below all that it imports, and say what it owns in its README';
  expect(roomsUnder('src'), mend).toEqual([...ROOMS].sort());
  expect(roomsUnder('worker'), mend).toEqual([...WORKER_ROOMS].sort());
});

test.each(RULES)('$name', ({ name, mend, forbids }) => {
  const found = graph.imports.filter(forbids).map(describeImport);
  expect(found, `${name}. To mend: ${mend}.`).toEqual([]);
});

test.each(SINGLE_IMPORTERS)('$name has one importer, in $home', ({ name, home }) => {
  const importers = [...new Set(graph.imports.filter(({ to }) => to === name).map(({ from }) => from))];
  const message = `only one file may import ${name}, in ${home}. To mend: use what that file exports.`;
  expect(importers, message).toHaveLength(1);
  expect(importers[0], message).toMatch(new RegExp(`^${home}`));
});

describe('what a process loads', () => {
  /** A thread begins with a file that is named, not imported. */
  const WATCH = 'src/process/parent-watch-thread.ts';
  const LOADER = 'src/data/loader/loader-thread.ts';
  const ENTRIES = [
    'src/cli/main.ts',
    'coordinator/main.ts',
    'worker/main.ts',
    'worker/engine/main.ts',
    'src/engines/probe/main.ts',
    'src/trace/main.ts',
    'src/recipe/declaration/main.ts',
    'src/recipe/description/main.ts',
    'src/recipe/trial/main.ts',
    WATCH,
    LOADER,
  ];

  test.each(['coordinator/main.ts', 'worker/main.ts', 'src/cli/main.ts', 'src/recipe/declaration/main.ts'])(
    '%s starts without tfjs',
    (entry) => {
      const loaded = reachable(graph, [entry], ({ isTypeOnly, isDynamic }) => !isTypeOnly && !isDynamic);
      const tfjs = [...loaded].filter((name) => name.startsWith('@tensorflow/'));
      expect(tfjs, `${entry} loads tfjs. To mend: only the engine process computes; import it there, or lazily in the command.`).toEqual(
        [],
      );
    },
  );

  test('the thread that watches the parent loads nothing of the program: tfjs and zeromq crash in threads', () => {
    expect([...reachable(graph, [WATCH], () => true)]).toEqual([WATCH, 'worker_threads']);
  });

  test('a loader thread loads how batches are assembled and nothing else: tfjs and zeromq crash in threads', () => {
    const loaded = reachable(graph, [LOADER], ({ isTypeOnly }) => !isTypeOnly);
    // Plain arithmetic, which holds no memory of its own.
    const libraries = ['d3-random'];
    const others = [...loaded].filter((name) =>
      name.startsWith('src/') ? !/^src\/(base|errors|data)\//.test(name) : !isBuiltin(name) && !libraries.includes(name),
    );
    expect(loaded).toContain('src/data/batch.ts');
    expect(others, `${LOADER} loads these. To mend: have the loader pass in what the thread needs, or import its type alone.`).toEqual([]);
  });

  test('every file of the program is used by one of its processes', () => {
    const used = reachable(graph, ENTRIES, () => true);
    const orphans = graph.files.filter((file) => !used.has(file));
    expect(orphans, 'nothing imports these files. To mend: delete them, or move what only tests use to test/support.').toEqual([]);
  });
});
