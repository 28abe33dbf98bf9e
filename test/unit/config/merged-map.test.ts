import { expect, test } from 'vitest';
import { parseYaml } from '../../../src/config/yaml-source.js';

const SOURCE = parseYaml(
  `stages:
  one: &one
    rate: 1
    loss: { terms: [&term { name: a, weight: 10 }] }
  two: { <<: *one, rate: 2 }
  three: &three { <<: *two, loss: { terms: [{ <<: *term, weight: 20 }] } }
  both: { <<: [*three, { kind: b, rate: 9 }] }
`.replace('two: {', 'two: &two {'),
  'recipe.yaml',
);

test('a map may take the keys of another one, and change some', () => {
  const one = { rate: 1, loss: { terms: [{ name: 'a', weight: 10 }] } };
  const three = { rate: 2, loss: { terms: [{ name: 'a', weight: 20 }] } };
  expect(SOURCE.value).toEqual({ stages: { one, two: { ...one, rate: 2 }, three, both: { ...three, kind: 'b' } } });
  expect(SOURCE.duplicates).toEqual([]);
  expect(SOURCE.hasDuplicate(['stages', 'both'])).toBe(false);
});

test.each([
  [['stages', 'two', 'rate'], { line: 5, column: 31 }],
  [['stages', 'two', 'loss'], { line: 4, column: 11 }],
  [['stages', 'three', 'rate'], { line: 5, column: 31 }],
  [['stages', 'three', 'loss', 'terms', 0, 'weight'], { line: 6, column: 66 }],
  [['stages', 'three', 'loss', 'terms', 0, 'name'], { line: 4, column: 35 }],
  [['stages', 'both', 'kind'], { line: 7, column: 32 }],
  [['stages', 'both', 'rate'], { line: 5, column: 31 }],
  // Nobody gives it: the place of the map.
  [['stages', 'two', 'nothing'], { line: 5, column: 3 }],
] as const)('the place of %j is that of the map that gives it', (path, place) => {
  expect(SOURCE.placeOf(path, 'value')).toEqual(place);
});
