/** Asks a child process: starts it, takes its answers, and waits for its end, at most until a deadline. */

import { type ChildEnd, type ChildOptions, startChild } from './child.js';

export interface AskOptions<Answer, Question> extends ChildOptions {
  /** Sent to it when it starts; nothing when left out. */
  readonly question?: Question;
  /** Sent to it when it is there; the deadline counts from then on. Nothing when it rejects: the caller ends the child. */
  readonly later?: Promise<Question>;
  /** Whether the child has nothing to do from this message on until `later` is there: the deadline does not count that time. */
  readonly isWaiting?: (answer: Answer) => boolean;
  /** Called with each of its messages. */
  readonly onAnswer?: (answer: Answer) => void;
  /** Ends the child at once when it is aborted. */
  readonly signal?: AbortSignal;
}

export interface ChildAnswer<Answer> {
  /** Its last message; null when it ended without one. */
  readonly answer: Answer | null;
  readonly end: ChildEnd;
  /** Whether it was killed at the deadline. */
  readonly isLate: boolean;
  /** The time from its last message, or from its start, to its end, as this process noticed them. */
  readonly silentMs: number;
}

/** A process that was busy until the deadline reads in this time what the child has long sent. */
const GRACE_MS = 200;

/** The answer of a child that has ended. Never rejects. Throws InvariantError when the program is not compiled. */
export async function askChild<Answer, Question = never>(
  { question, later, isWaiting, onAnswer, signal, ...options }: AskOptions<Answer, Question>,
  deadlineMs: number,
): Promise<ChildAnswer<Answer>> {
  const child = startChild<Answer, Question>(options);
  let answer: Answer | null = null;
  let heardMs = performance.now();
  let isLate = false;
  let isLaterSent = false;
  let timer: NodeJS.Timeout | undefined;
  child.onMessage((message) => {
    answer = message;
    heardMs = performance.now();
    if (!isLaterSent && isWaiting?.(message) === true) clearTimeout(timer);
    onAnswer?.(message);
  });
  if (question !== undefined) child.send(question);
  const stop = (): void => child.kill('SIGKILL');
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop, { once: true });
  const arm = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = setTimeout(() => {
        isLate = true;
        stop();
      }, GRACE_MS);
    }, deadlineMs);
  };
  arm();
  later?.then(
    (more) => {
      isLaterSent = true;
      if (child.send(more)) arm();
    },
    () => {},
  );
  const end = await child.ended;
  clearTimeout(timer);
  signal?.removeEventListener('abort', stop);
  return { answer, end, isLate, silentMs: performance.now() - heardMs };
}
