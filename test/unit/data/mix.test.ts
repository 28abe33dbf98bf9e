/** Views that are mixed of two images: pixels and labels by their definition, and the distribution of the draws. */

import { describe, expect, test } from 'vitest';
import { assembleBatch, type BatchView } from '../../../src/data/batch.js';
import { type Mix, mixedLabels, mixesOf } from '../../../src/data/mix.js';
import { residentSource } from '../../../src/data/resident-source.js';
import { randomBytes } from '../../support/data-files.js';

const [HEIGHT, WIDTH, CHANNELS, COUNT] = [6, 9, 3, 40];
const SIZE = HEIGHT * WIDTH * CHANNELS;
const SHAPE = { height: HEIGHT, width: WIDTH, count: COUNT };
const labels = Int32Array.from({ length: COUNT }, (_, i) => (i * 7) % 10);
const pixels = randomBytes(COUNT * SIZE, 23);
const images = { count: COUNT, height: HEIGHT, width: WIDTH, channels: CHANNELS, classes: 10, pixels, labels };
const { store } = residentSource(images, { name: 'few', from: 0, to: COUNT });
const PLAIN = { cropPadding: 2, flip: true };

const viewOf = (mixing: { mixUp?: number; cutMix?: number }, epoch = 3): BatchView => ({
  seed: 5,
  epoch,
  augment: { ...PLAIN, ...mixing },
  normalise: { mean: [0.5, 0.4, 0.3], std: [0.2, 0.25, 0.3] },
});

function pixelsOf(view: BatchView, samples: readonly number[]): { images: Float32Array; labels: Int32Array } {
  const out = { images: new Float32Array(samples.length * SIZE), labels: new Int32Array(samples.length) };
  assembleBatch({ store, view, samples, out });
  return out;
}

function mixOf(view: BatchView, sample: number): Mix {
  const mix = mixesOf(view, SHAPE);
  if (mix === null) throw new Error('the view has no mixes');
  return mix(sample);
}

const isInside = ({ box }: Mix, row: number, column: number): boolean =>
  box !== null && row >= box.top && row < box.top + box.height && column >= box.left && column < box.left + box.width;

describe.each([
  ['mixUp', { mixUp: 0.4 }],
  ['cutMix', { cutMix: 1 }],
  ['one of the two', { mixUp: 0.4, cutMix: 1 }],
])('%s', (_, mixing) => {
  const view = viewOf(mixing);
  const samples = Array.from({ length: COUNT }, (_, i) => i);
  const mixes = samples.map((sample) => mixOf(view, sample));

  test('each pixel is that of the plain views of both images, by the share or by the box', () => {
    const plain = pixelsOf(viewOf({}), samples).images;
    const batch = pixelsOf(view, samples);
    expect(batch.labels).toEqual(labels);
    for (const sample of samples) {
      const mix = mixes[sample]!;
      for (let i = 0; i < SIZE; i++) {
        const [row, column] = [Math.floor(i / CHANNELS / WIDTH), Math.floor(i / CHANNELS) % WIDTH];
        const [own, other] = [plain[sample * SIZE + i]!, plain[mix.second * SIZE + i]!];
        const wanted = mix.box === null ? mix.share * own + (1 - mix.share) * other : isInside(mix, row, column) ? other : own;
        expect(batch.images[sample * SIZE + i]).toBeCloseTo(wanted, 5);
      }
    }
  });

  test('the labels are the classes of both, and the share is that of the pixels', () => {
    const { second, share } = mixedLabels(store, view, Int32Array.from(samples))!;
    expect([...second]).toEqual(mixes.map((mix) => labels[mix.second]));
    expect([...share]).toEqual(mixes.map((mix) => mix.share));
    for (const { box, share: own } of mixes) {
      if (box !== null) expect(own).toBeCloseTo(1 - (box.height * box.width) / (HEIGHT * WIDTH), 6);
    }
  });

  test('a view is the same in any batch, and another one in each epoch', () => {
    const whole = pixelsOf(view, samples).images;
    expect(pixelsOf(view, [17]).images).toEqual(whole.slice(17 * SIZE, 18 * SIZE));
    expect(mixes).not.toEqual(samples.map((sample) => mixOf(viewOf(mixing, 4), sample)));
  });
});

test('without a mix, and where the split has one sample, there are no mixed labels', () => {
  expect(mixedLabels(store, viewOf({}), Int32Array.of(1))).toBeNull();
  expect(mixedLabels(store, { ...viewOf({ mixUp: 1 }), augment: null }, Int32Array.of(1))).toBeNull();
  expect(mixesOf(viewOf({ mixUp: 1 }), { ...SHAPE, count: 1 })).toBeNull();
});

/** Over views of many epochs. */
function drawn(mixing: { mixUp?: number; cutMix?: number }): readonly (Mix & { readonly sample: number })[] {
  return Array.from({ length: 8000 }, (_, i) => ({ sample: i % COUNT, ...mixOf(viewOf(mixing, Math.floor(i / COUNT)), i % COUNT) }));
}

test.each([0.2, 1, 4])('the share of mixUp has the mean and the variance of Beta(%d, same)', (alpha) => {
  const shares = drawn({ mixUp: alpha }).map(({ share }) => share);
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  const variance = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / shares.length;
  expect(mean).toBeCloseTo(0.5, 1.5);
  expect(variance / (1 / (4 * (2 * alpha + 1)))).toBeCloseTo(1, 1);
});

test('the second sample is any of the others, as often as each, and never the first', () => {
  const counts = new Map<number, number>();
  for (const { sample, second } of drawn({ cutMix: 1 })) {
    expect(second).not.toBe(sample);
    counts.set(second, (counts.get(second) ?? 0) + 1);
  }
  // 200 of each are expected; five standard deviations.
  expect(counts.size).toBe(COUNT);
  for (const count of counts.values()) expect(Math.abs(count - 200)).toBeLessThan(71);
});

test('with both, half of the images have each', () => {
  const pasted = drawn({ mixUp: 1, cutMix: 1 }).filter(({ box }) => box !== null).length;
  expect(Math.abs(pasted / 8000 - 0.5)).toBeLessThan(0.03);
});

test('the draws of a sample do not change', () => {
  expect([0, 1].map((sample) => mixOf(viewOf({ mixUp: 0.2 }), sample))).toMatchInlineSnapshot(`
    [
      {
        "box": null,
        "second": 2,
        "share": 0.999988317489624,
      },
      {
        "box": null,
        "second": 38,
        "share": 0.07189090549945831,
      },
    ]
  `);
  expect([0, 1].map((sample) => mixOf(viewOf({ cutMix: 1 }), sample))).toMatchInlineSnapshot(`
    [
      {
        "box": {
          "height": 2,
          "left": 4,
          "top": 0,
          "width": 5,
        },
        "second": 2,
        "share": 0.8148148059844971,
      },
      {
        "box": {
          "height": 2,
          "left": 3,
          "top": 2,
          "width": 4,
        },
        "second": 38,
        "share": 0.8518518805503845,
      },
    ]
  `);
});
