/**
 * Depthwise convolution: each channel has a filter of its own. A tile of up to four pixels by four channels of the output is
 * held in variables while its windows are read.
 * Legend: x_NHWC input, w_KLC filter, y_NPQC output.
 */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { FunctionCode, i32, type Lanes, type Local, moving, type Value } from './assembler.js';
import { BLOCKS, cutIntoBlocks, mapKeys } from './column-block.js';
import { bandSize, bandsOf, InputBands, type Windows } from './input-band.js';
import { loopOn, withScratch } from './loop-module.js';

const PIXELS = [4, 3, 2, 1] as const;
const WIDTHS = [4, 1] as const;
/** Bytes of a band: half of a small second-level cache. */
const BAND_BYTES = 2 ** 17;

const STEPS = ['xImage', 'xRow', 'xPixel', 'xLine', 'xTap', 'wLine', 'wTap', 'yImage', 'yRow', 'yPixel'] as const;

/**
 * Computes all tiles of this size. Steps are in bytes: `xRow` and `xPixel` to the next window, `xLine` and `xTap` to the next
 * place in a window, `wLine` and `wTap` to the next place in the filter.
 */
function tileLoop(pixels: number, lanes: Lanes) {
  const code = new FunctionCode(['x', 'w', 'y', 'images', 'rows', 'tiles', 'blocks', 'filterHeight', 'filterWidth', ...STEPS]);
  const { x, w, y, images, rows, tiles, blocks, filterHeight, filterWidth } = code.parameters;
  const { xImage, xRow, xPixel, xLine, xTap, wLine, wTap, yImage, yRow, yPixel } = code.parameters;
  const address = (value: Value = i32.constant(0)) => code.variable('i32', value);
  const xs = Array.from({ length: pixels }, () => address());
  const [xTileStep, yTileStep] = [xPixel, yPixel].map((step) => address(i32.multiply(step, i32.constant(pixels)))) as [Local, Local];
  const sums = xs.map(() => code.variable(lanes.type, lanes.zero));
  const factor = code.variable(lanes.type, lanes.zero);
  const addTap = (wAt: Local) => {
    code.set(factor, lanes.load(wAt));
    for (const [p, sum] of sums.entries()) code.set(sum, lanes.multiplyAdd(lanes.load(xs[p] as Local), factor, sum));
    for (const at of xs) code.advance(at, xTap);
  };
  const addFilterRow = (xFilter: Local, wFilter: Local) => {
    for (const [p, at] of xs.entries()) code.set(at, p === 0 ? xFilter : i32.add(xs[p - 1] as Local, xPixel));
    code.walk(filterWidth, [moving(wFilter, wTap)], addTap);
  };
  const computeBlock = (xBlock: Local, wBlock: Local, yBlock: Local) => {
    for (const sum of sums) code.set(sum, lanes.zero);
    code.walk(filterHeight, [moving(xBlock, xLine), moving(wBlock, wLine)], addFilterRow);
    const yAt = address(yBlock);
    for (const sum of sums) {
      code.store(lanes, { address: yAt, value: sum });
      code.advance(yAt, yPixel);
    }
  };
  const block = i32.constant(4 * lanes.count);
  code.walk(images, [moving(x, xImage), moving(y, yImage)], (xOfImage, yOfImage) => {
    code.walk(rows, [moving(xOfImage, xRow), moving(yOfImage, yRow)], (xOfRow, yOfRow) => {
      code.walk(tiles, [moving(xOfRow, xTileStep), moving(yOfRow, yTileStep)], (xTile, yTile) => {
        code.walk(blocks, [moving(xTile, block), moving(w, block), moving(yTile, block)], computeBlock);
      });
    });
  });
  return code;
}

/** The loops by the pixels and the channels of a tile. */
const TILES = mapKeys(PIXELS, (pixels) => mapKeys(WIDTHS, (width) => loopOn(() => tileLoop(pixels, BLOCKS[width].lanes))));

export interface DepthwiseConvolution {
  readonly windows: Windows;
  /** Address of the images. */
  readonly x: number;
  /** Address of the first tap's weights, and the bytes to the next row and the next tap of the filter. */
  readonly w: number;
  readonly wLine: number;
  readonly wTap: number;
  /** Address of the output, and the bytes from one pixel, row and image of it to the next. */
  readonly y: number;
  readonly yPixel: number;
  readonly yRow: number;
  readonly yImage: number;
}

/** Writes y. The bytes between the pixels of y do not change. */
export function convolveDepthwise(backend: BackendWasm, convolution: DepthwiseConvolution): void {
  const { windows, x, w, wLine, wTap, y, yPixel, yRow, yImage } = convolution;
  const { batch, outHeight, outWidth, inChannels, strideHeight, strideWidth } = windows;
  if (batch * outHeight * outWidth * inChannels === 0) return;
  const pixel = 4 * inChannels;
  const size = bandSize(windows, Math.floor(BAND_BYTES / (pixel * outWidth * strideWidth * strideHeight)));
  const bands = new InputBands(backend, windows, size);
  withScratch(backend, bands.frameCount, (frame) => {
    bands.clear(frame);
    for (const band of bandsOf(windows, size)) {
      const from = bands.read(x, frame, band);
      const to = y + band.first * yImage + band.row * yRow;
      for (const tile of cutIntoBlocks(outWidth, PIXELS)) {
        for (const channels of cutIntoBlocks(inChannels, WIDTHS)) {
          TILES[tile.width][channels.width](backend)({
            x: from + tile.start * strideWidth * pixel + 4 * channels.start,
            w: w + 4 * channels.start,
            y: to + tile.start * yPixel + 4 * channels.start,
            images: band.samples,
            rows: band.rows,
            tiles: tile.blocks,
            blocks: channels.blocks,
            filterHeight: windows.filterHeight,
            filterWidth: windows.filterWidth,
            xImage: bands.imageStep,
            xRow: strideHeight * bands.rowStep,
            xPixel: strideWidth * pixel,
            xLine: bands.rowStep,
            xTap: pixel,
            wLine,
            wTap,
            yImage,
            yRow,
            yPixel,
          });
        }
      }
    }
  });
}
