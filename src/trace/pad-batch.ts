/** `size` rows of images with rows of zeros behind them up to `paddedSize`; the same array when no padding is needed. */
export function padBatch(images: Float32Array, size: number, paddedSize: number): Float32Array {
  if (size === paddedSize) return images;
  const padded = new Float32Array((images.length / size) * paddedSize);
  padded.set(images);
  return padded;
}
