/** Work on many things, some at a time. */

/** Runs the work for 0 to count - 1, at most `atATime` at a time, up to the first that fails. */
export async function forEach(count: number, atATime: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const takeOn = async () => {
    try {
      while (next < count) await work(next++);
    } catch (error) {
      next = count;
      throw error;
    }
  };
  await Promise.all(Array.from({ length: atATime }, takeOn));
}
