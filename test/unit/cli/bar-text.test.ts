import { expect, test } from 'vitest';
import { barText } from '../../../src/cli/bar-text.js';
import { progressFigures } from '../../../src/cli/report-text.js';

const figures = progressFigures({
  ...{ type: 'progress', stage: 'student', round: 12_345, epoch: 17, epochs: 200, committed: 1, samples: 2, loss: 0.374 },
  ...{ losses: {}, trainAccuracy: 0.5, waited: { big: 0.1, small: 0.2 }, imagesPerSecond: 5_920, secondsLeft: 3_725 },
});
const bar = { stage: 'student', share: 0.5, figures };

test.each([
  [
    200,
    'student    [==========          ]  50 % epoch 17/200, round 12345, 5,920 images/s, training loss 0.374, waited for each other: big 10.0 %, small 20.0 %, 1:02:05 left',
  ],
  [104, 'student    [==========          ]  50 % epoch 17/200, 5,920 images/s, training loss 0.374, 1:02:05 left'],
  [80, 'student    [====    ]  50 % epoch 17/200, training loss 0.374, 1:02:05 left'],
  [64, 'student    [====    ]  50 % training loss 0.374, 1:02:05 left'],
  [42, 'student    [====    ]  50 % 1:02:05 left'],
  [20, 'student    [====   '],
  [1, ''],
])('in %i columns', (columns, line) => {
  expect(barText(bar, columns)).toBe(line);
  expect(line.length).toBeLessThan(columns);
});
