/** Asks a child process one thing: starts it, takes its answer, and waits for its end, at most until a deadline. */

import { type ChildEnd, type ChildOptions, startChild } from './child.js';

export interface ChildAnswer<Answer> {
  /** Its last message; null when it ended without one. */
  readonly answer: Answer | null;
  readonly end: ChildEnd;
  /** Whether it was killed at the deadline. */
  readonly isLate: boolean;
}

/** The answer of a child that has ended. Never rejects. Throws InvariantError when the program is not compiled. */
export async function askChild<Answer>(options: ChildOptions, deadlineMs: number): Promise<ChildAnswer<Answer>> {
  const child = startChild<Answer, never>(options);
  let answer: Answer | null = null;
  let isLate = false;
  child.onMessage((message) => {
    answer = message;
  });
  const timer = setTimeout(() => {
    isLate = true;
    child.kill('SIGKILL');
  }, deadlineMs);
  const end = await child.ended;
  clearTimeout(timer);
  return { answer, end, isLate };
}
