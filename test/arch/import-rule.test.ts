/** Who may import whom. Each rule says what it forbids and how to mend it. */

import { beforeAll, describe, expect, test } from 'vitest';
import { type Import, type ImportGraph, reachable, readImportGraph } from '../support/arch/import-graph.js';

let graph: ImportGraph;
beforeAll(async () => {
  graph = await readImportGraph();
}, 60_000);

interface Rule {
  readonly name: string;
  readonly mend: string;
  readonly forbids: (edge: Import) => boolean;
}

const TFJS_ROOMS = /^(src\/(nn|engines|losses|optim|trace)|worker\/(engine|teacher|student))\//;
const CORE_MAY_IMPORT =
  /^(coordinator\/core\/|src\/(base|errors|protocol)\/|src\/config\/(schema|stage-graph)\.ts|src\/data\/shard-plan\.ts)/;

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
    name: 'base and errors import only each other',
    mend: 'move the code to the room whose things it uses',
    forbids: ({ from, to }) => /^src\/(base|errors)\//.test(from) && !/^src\/(base|errors)\//.test(to),
  },
  {
    name: 'the coordinator decides in pure code: core imports base, errors, messages, the recipe and the shard plan',
    mend: 'do it in coordinator/shell and give the core an event; or return an effect',
    forbids: ({ from, to }) => from.startsWith('coordinator/core/') && !CORE_MAY_IMPORT.test(to),
  },
  {
    name: 'tfjs stays in the rooms that compute',
    mend: 'work with typed arrays here, and turn them into tensors in src/nn, src/engines, src/losses, src/optim, src/trace or a worker engine',
    forbids: ({ from, to }) => to.startsWith('@tensorflow/') && !TFJS_ROOMS.test(from),
  },
  {
    name: 'the command line starts processes and imports none',
    mend: 'start the process with src/process, and talk to it by the messages of src/protocol/parent.ts',
    forbids: ({ from, to }) => /^src\/(?!cli\/)/.test(from) && to.startsWith('src/cli/'),
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
    WATCH,
    LOADER,
  ];
  /** The transport of simulations and tests, which stays with those it stands in for. */
  const UNUSED: readonly string[] = ['test/support/memory-transport.ts'];

  test.each(['coordinator/main.ts', 'worker/main.ts', 'src/cli/main.ts'])('%s starts without tfjs', (entry) => {
    const loaded = reachable(graph, [entry], ({ isTypeOnly, isDynamic }) => !isTypeOnly && !isDynamic);
    const tfjs = [...loaded].filter((name) => name.startsWith('@tensorflow/'));
    expect(tfjs, `${entry} loads tfjs. To mend: only the engine process computes; import it there, or lazily in the command.`).toEqual([]);
  });

  test('the thread that watches the parent loads nothing of the program: tfjs and zeromq crash in threads', () => {
    expect([...reachable(graph, [WATCH], () => true)]).toEqual([WATCH, 'worker_threads']);
  });

  test('a loader thread loads how batches are assembled and nothing else: tfjs and zeromq crash in threads', () => {
    const loaded = reachable(graph, [LOADER], ({ isTypeOnly }) => !isTypeOnly);
    const others = [...loaded].filter((name) => !/^src\/(base|data)\//.test(name) && name !== 'worker_threads');
    expect(loaded).toContain('src/data/batch.ts');
    expect(others, `${LOADER} loads these. To mend: have the loader pass in what the thread needs, or import its type alone.`).toEqual([]);
  });

  test('every file of the program is used by one of its processes', () => {
    const used = reachable(graph, ENTRIES, () => true);
    const orphans = graph.files.filter((file) => !used.has(file) && !UNUSED.includes(file));
    expect(orphans, 'nothing imports these files. To mend: delete them, or move what only tests use to test/support.').toEqual([]);
  });
});
