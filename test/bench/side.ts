/**
 * The bench's end of a side: starts its process, gives it orders and ends it. What a side prints besides its answers is
 * kept, and shown when it fails.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { childSecondsOf, processorSecondsOf } from './process-time.js';
import { type AnswerTo, type Hello, type KnowledgeBytes, type Order, Unusable } from './protocol.js';
import type { SideStart } from './row.js';

/** A first torch.compile takes minutes on a busy machine; no order takes longer. */
const ORDER_MAX_MS = 15 * 60_000;
const SHOWN_LINES = 12;
const LOOK_MS = 30;
const SETTLE_MAX_MS = 3000;
const END_MAX_MS = 5000;

export class Side {
  /** With its version, as the side says it. */
  readonly name: string;
  /** The address where it listens for another side; null for a side that works with none. */
  readonly endpoint: string | null;
  /** Sentences about it that people should know, as the side says them. */
  readonly notes: readonly string[];
  /** The size of what a step takes from its teacher; null for a side that says nothing of it. */
  readonly knowledge: KnowledgeBytes | null;
  readonly imagesPerStep: number;
  readonly #process: SideProcess;

  private constructor(process: SideProcess, { imagesPerStep }: SideStart, hello: Extract<Hello, { ready: string }>) {
    this.#process = process;
    this.imagesPerStep = imagesPerStep;
    this.name = hello.ready;
    this.endpoint = hello.endpoint ?? null;
    this.notes = hello.notes ?? [];
    this.knowledge = hello.knowledge ?? null;
  }

  /** Starts a side and waits until it is ready. Throws Unusable when it cannot work here, with the reason. */
  static async start(start: SideStart): Promise<Side> {
    const process = new SideProcess(start);
    const hello = await process.answer<Hello>().catch((error: Error) => ({ unusable: error.message }));
    if ('ready' in hello) return new Side(process, start, hello);
    await process.end();
    throw new Unusable(hello.unusable);
  }

  /** Carries out one order; one at a time. Throws an Error with what the side said when it fails or ends. */
  ask<Name extends Order['do']>(order: Extract<Order, { do: Name }>): Promise<AnswerTo[Name]> {
    this.#process.say(order);
    return this.#process.answer<AnswerTo[Name]>();
  }

  /** Processor seconds that its process and those below it have taken; null where the system does not tell (elsewhere than on Linux). */
  processorSeconds(): number | null {
    const own = this.#process.processorSeconds();
    return own === null ? null : own + this.childSeconds();
  }

  /** Those of the processes that it has started and that live, as the workers of PyTorch's loader. */
  childSeconds(): number {
    return this.#process.childSeconds();
  }

  /** Waits until its processes take no more processor time: the threads of some libraries spin for a while after work. */
  async settled(): Promise<void> {
    let before = this.processorSeconds();
    for (let waited = 0; waited < SETTLE_MAX_MS && before !== null; waited += LOOK_MS) {
      await sleep(LOOK_MS);
      const now = this.processorSeconds();
      if (now === before) return;
      before = now;
    }
  }

  /** Ends the process; resolves when it is gone. */
  end(): Promise<void> {
    return this.#process.end();
  }
}

class SideProcess {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #chatter: string[] = [];
  readonly #ended: Promise<string>;

  constructor({ command, args, env }: SideStart) {
    const child = spawn(command, [...args], { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.on('error', (error) => resolve(`${command} cannot be started (${(error as NodeJS.ErrnoException).code ?? error.message})`));
      child.on('close', (code, signal) => resolve(this.#describeEnd(code, signal)));
    });
    // What is written to a side that has ended is lost; its end is reported by `#ended`.
    child.stdin?.on('error', () => {});
    createInterface({ input: child.stderr! }).on('line', (line) => this.#keep(line));
    this.#answers = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  say(order: Order): void {
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`);
  }

  async answer<Answer>(): Promise<Answer> {
    const late = AbortSignal.timeout(ORDER_MAX_MS);
    const tooLate = new Promise<string>((resolve) => late.addEventListener('abort', () => resolve('no answer in 15 minutes')));
    for (;;) {
      const line = await Promise.race([this.#answers.next(), tooLate]);
      if (typeof line === 'string') throw new Error(line);
      if (line.done === true) throw new Error(await this.#ended);
      const answer = parseAnswer(line.value);
      if (answer === null) this.#keep(line.value);
      else if ('error' in answer) throw new Error(String(answer.error));
      else return answer as Answer;
    }
  }

  processorSeconds(): number | null {
    return this.#child.pid === undefined ? null : processorSecondsOf(this.#child.pid);
  }

  childSeconds(): number {
    return this.#child.pid === undefined ? 0 : childSecondsOf(this.#child.pid);
  }

  /** Lets it end by itself, which takes its temporary files away, before it is killed. */
  async end(): Promise<void> {
    this.#child.stdin?.end();
    const kill = setTimeout(() => this.#child.kill('SIGKILL'), END_MAX_MS);
    await this.#ended;
    clearTimeout(kill);
  }

  #keep(line: string): void {
    if (line.trim() !== '') this.#chatter.push(line);
    if (this.#chatter.length > SHOWN_LINES) this.#chatter.shift();
  }

  /** With the last line that names an error, which is where Python and Node say what went wrong. */
  #describeEnd(code: number | null, signal: string | null): string {
    const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
    const last = this.#chatter.findLast((line) => /error/i.test(line)) ?? this.#chatter.at(-1);
    return last === undefined ? `it ended (${how})` : `it ended (${how}): ${last.trim()}`;
  }
}

function parseAnswer(line: string): Record<string, unknown> | null {
  if (!line.startsWith('{')) return null;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return null;
  }
}
