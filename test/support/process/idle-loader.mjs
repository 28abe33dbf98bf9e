/** Opens a loader of the compiled sources in the folder given, waits for one batch, and does not close it. */

const folder = process.argv[2];
const { openLoader } = await import(new URL('src/data/loader/loader.js', folder));
const { splitFrom, sharedBytes } = await import(new URL('src/data/split.js', folder));

const shape = { height: 4, width: 4, channels: 1 };
const split = splitFrom({ ...shape, name: 'all', count: 9, classes: 2, pixels: sharedBytes(9 * 16), labels: sharedBytes(9) });
const loader = openLoader({ shape, rows: 4, threads: 2 });
const view = { seed: 1, epoch: 0, augment: null, normalise: { mean: [0], std: [1] } };
await loader.request([{ split, view, samples: Int32Array.of(1, 2) }])[0].ready();
process.stdout.write('ready\n');
