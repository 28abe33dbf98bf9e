/**
 * A process without any code of ours: opens an exported model with stock TensorFlow.js and says its accuracy on images
 * of idx files. One argument, as JSON: {model, images, labels, from, to, mean, std}; `model` is the folder.
 */

import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import * as tf from '@tensorflow/tfjs-core';
import { loadLayersModel } from '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-cpu';

const { model: folder, images, labels, from, to, mean, std } = JSON.parse(process.argv[2]);
const HEADER = { images: 16, labels: 8 };
const SIDE = 28;

// As from a web server, with the addresses of the files as the model itself names them.
const fetchFunc = async (address) => new Response(readFileSync(join(folder, basename(new URL(address).pathname))));
const model = await loadLayersModel(tf.io.http('http://localhost/model.json', { fetchFunc }));
const pixels = gunzipSync(readFileSync(images)).subarray(HEADER.images + from * SIDE * SIDE, HEADER.images + to * SIDE * SIDE);
const expected = gunzipSync(readFileSync(labels)).subarray(HEADER.labels + from, HEADER.labels + to);
const x = tf.tensor4d(
  Float32Array.from(pixels, (pixel) => (pixel / 255 - mean) / std),
  [to - from, SIDE, SIDE, 1],
);
const answers = await tf.argMax(model.predict(x), -1).data();
const right = answers.filter((answer, index) => answer === expected[index]).length;
process.stdout.write(JSON.stringify({ accuracy: right / (to - from), parameters: model.countParams() }));
