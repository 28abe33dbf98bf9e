/** Random draws in JavaScript, which a graph would repeat for ever: tfjs's own, unless they have a seed, begin with one too. */

/** Runs the function, and calls `onDraw` whenever it draws by Math.random, which draws as it does otherwise. */
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
