/** The data section of a recipe. */

import { z } from 'zod';
import { name, positive, wholeFromOne } from './schema-scalar.js';

const split = z.strictObject({
  /** The part of the data set, by the format's name for it: most have `train` and `test`. */
  part: z.string(),
  /** Samples [from, to) in the order of the files; to the end when `to` is left out. */
  from: z.int().min(0).default(0),
  to: wholeFromOne.optional(),
});

const side = wholeFromOne.max(1024);

/** The size of images that come in any size (the formats `folder`, `csv` and `webdataset`), in pixels. */
const image = z
  .strictObject({
    /** The side of the square images that models see. */
    size: side,
    /** Where no part is taken at random: the length that the shorter side is resized to, before the middle of `size` is cut out. */
    resize: side.optional(),
  })
  .refine(({ size, resize = size }) => resize >= size, {
    path: ['resize'],
    message: 'at least `size`, because the middle of that size is cut out',
  });

/** The classes of formats whose files do not say them: their number, or their names in the order of their numbers. */
const classes = z.union([wholeFromOne.min(2), z.array(z.string().min(1)).min(2)]);

/** The names of the columns of the format `csv`. */
export const csvColumns = z.strictObject({
  /** The path of each image, from `data.path` on. */
  path: z.string().min(1).default('path'),
  /** The class of each image: a whole number, or a name. */
  label: z.string().min(1).default('label'),
});

/** The names of the arrays of the format `npz`; `{part}` in them stands for the part. Their defaults depend on the path: src/data/npz.ts has them. */
const npzArrays = z.strictObject({ images: z.string().min(1).optional(), labels: z.string().min(1).optional() });

/** The key of a sample's json that has its label, in the format `webdataset`. */
const webdatasetLabel = z.strictObject({ key: z.string().min(1) });

/** The images of a recipe: their files, and the splits that stages name. */
export const data = z.strictObject({
  /** A format of src/data. src/recipe checks it, and the labels and parts that the format has. */
  format: z.string(),
  /** A folder with the data set's own file names, or an archive (npz), from the recipe's folder; `builtin:fashion-mnist` is in the package. */
  path: z.string().min(1),
  /** One of the sets of labels that the format has. */
  labels: z.string().default('fine'),
  image: image.optional(),
  classes: classes.optional(),
  csv: csvColumns.optional(),
  npz: npzArrays.optional(),
  webdataset: webdatasetLabel.optional(),
  /** Mean and deviation of each channel, for pixels in [0, 1]. */
  normalise: z.strictObject({ mean: z.array(z.number()).min(1), std: z.array(positive).min(1) }),
  splits: z.record(name, split),
});
