/** Opens a loader of the compiled sources in the folder given, waits for one batch, and does not close it. */

const folder = process.argv[2];
const { openLoader } = await import(new URL('src/data/loader/loader.js', folder));
const { residentSource } = await import(new URL('src/data/resident-source.js', folder));

const shape = { height: 4, width: 4, channels: 1 };
const images = { ...shape, count: 9, classes: 2, pixels: new Uint8Array(9 * 16), labels: new Int32Array(9) };
const split = residentSource(images, { name: 'all', from: 0, to: 9 });
const loader = openLoader({ shape, rows: 4, threads: 2 });
const view = { seed: 1, epoch: 0, augment: null, normalise: { mean: [0], std: [1] } };
await loader.request([{ split, view, samples: Int32Array.of(1, 2) }])[0].ready();
process.stdout.write('ready\n');
