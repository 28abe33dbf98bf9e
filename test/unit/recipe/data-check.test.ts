/** The data section of a recipe against what its format declares. */

import { expect, test } from 'vitest';
import { checkDataNames } from '../../../src/recipe/data-check.js';

const image = { size: 32 };

test.each<[object, readonly RegExp[]]>([
  [{ format: 'csv', image, classes: 3, csv: { path: 'file' }, splits: { train: { part: 'train' } } }, []],
  [{ format: 'npz', npz: { images: 'x' }, splits: { train: { part: 'train' } } }, []],
  [{ format: 'webdataset', image, webdataset: { key: 'k' }, splits: { train: { part: 'a/train-{00..11}.tar' } } }, []],
  [{ format: 'folder', image, classes: 3 }, [/^data\.classes is for the formats csv, npz, webdataset, not for folder; take it out$/]],
  [{ format: 'csv', image, npz: {} }, [/^data\.npz is for the format npz, not for csv; take it out$/]],
  [{ format: 'csv' }, [/^data\.image is missing: images of the format csv have any size/]],
  [{ format: 'npz', image }, [/^data\.image: images of the format npz have one size/]],
  [
    { format: 'csv', image, splits: { all: { part: 'a/b' } } },
    [/^data\.splits\.all\.part must be the name of a CSV file in data\.path.*not "a\/b"$/],
  ],
  [{ format: 'npz', splits: { all: { part: '..' } } }, [/must be the name of an archive in data\.path/]],
  [{ format: 'webdataset', image, splits: { all: { part: '../a.tar' } } }, [/must be the names of tar shards in data\.path/]],
  [{ format: 'webdatset', image }, [/data\.format.*webdataset/]],
])('%j', (data, expected) => {
  expect(checkDataNames({ data }).map(({ text }) => text)).toEqual(expected.map((pattern) => expect.stringMatching(pattern)));
});
