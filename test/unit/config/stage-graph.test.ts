import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Recipe, StageRecipe } from '../../../src/config/schema.js';
import { findCycle, needsOf, stageOrder } from '../../../src/config/stage-graph.js';

/** Stages that evaluate nothing real: only names and needs matter here. */
function graph(needs: Readonly<Record<string, readonly string[]>>): Pick<Recipe, 'stages'> {
  const stage = (names: readonly string[]): StageRecipe => ({ kind: 'evaluate', needs: names.slice(1), of: names[0] ?? '', test: 'test' });
  return { stages: Object.fromEntries(Object.entries(needs).map(([name, names]) => [name, stage(names)])) };
}

/** Stages numbered in an order that respects their needs, then listed in another order. */
const acyclic = fc.integer({ min: 1, max: 12 }).chain((count) => {
  const names = Array.from({ length: count }, (_, index) => `s${index}`);
  const needs = names.map((_, index) => fc.subarray(names.slice(0, index)));
  return fc.tuple(fc.tuple(...needs), fc.shuffledSubarray(names, { minLength: count }));
});

describe('the order of stages', () => {
  test('keeps the order of the recipe where needs allow it', () => {
    expect(stageOrder(graph({ student: ['teacher'], baseline: [], teacher: [], out: ['student'] }))).toEqual([
      'baseline',
      'teacher',
      'student',
      'out',
    ]);
  });

  test('has every stage once, after all that it needs', () => {
    fc.assert(
      fc.property(acyclic, ([needs, listed]) => {
        const recipe = graph(Object.fromEntries(listed.map((name) => [name, needs[Number(name.slice(1))] ?? []])));
        const order = stageOrder(recipe);
        expect([...order].sort()).toEqual([...listed].sort());
        for (const [at, name] of order.entries()) {
          for (const need of (needs[Number(name.slice(1))] ?? []) as string[]) expect(order.indexOf(need)).toBeLessThan(at);
        }
      }),
    );
  });

  test('counts the teacher and the stage evaluated among the needs', () => {
    expect(needsOf({ kind: 'export', of: 'student', needs: ['teacher', 'student'] })).toEqual(['teacher', 'student']);
    expect(needsOf({ kind: 'export', of: { stage: 'together.big', epoch: 'best' }, needs: [] })).toEqual(['together']);
  });
});

describe('a circle of needs', () => {
  test.each([
    [[['a', ['a']]], ['a']],
    [
      [
        ['a', ['b']],
        ['b', ['c']],
        ['c', ['b']],
      ],
      ['b', 'c'],
    ],
    [
      [
        ['a', ['b', 'nowhere']],
        ['b', []],
      ],
      null,
    ],
  ] as const)('%j', (needs, cycle) => {
    expect(findCycle(new Map<string, readonly string[]>(needs))).toEqual(cycle);
  });

  test('is found in a long chain in no time', () => {
    // Every stage needs all before it: walking each way anew would take 2^40 steps.
    const names = Array.from({ length: 40 }, (_, index) => `s${index}`);
    expect(findCycle(new Map(names.map((name, index) => [name, names.slice(0, index)])))).toBeNull();
  });
});
