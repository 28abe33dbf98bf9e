/** Detects random draws in JavaScript, which a graph would repeat for ever. tfjs's own draws call Math.random too, unless they have a seed. */

/** Runs the function, and calls `onDraw` at each call of Math.random. The draws themselves do not change. */
export function watchDraws<Result>(run: () => Result, onDraw: () => void): Result {
  const draw = Math.random;
  Math.random = () => {
    onDraw();
    return draw();
  };
  try {
    return run();
  } finally {
    Math.random = draw;
  }
}
