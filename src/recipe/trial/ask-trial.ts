/** Has a recipe tried in a process of its own (main.ts), with a deadline, and says what came of it. */

import { spellPeer, trainedPeers } from '../../config/peer.js';
import { formatPath } from '../../config/problem.js';
import type { Recipe } from '../../config/schema.js';
import { StillhouseError } from '../../errors/stillhouse-error.js';
import { askChild } from '../../process/ask-child.js';
import { describeEnd } from '../../process/child.js';
import type { RowShape } from '../../tensor/knowledge.js';
import type { ModelStructure } from '../../tensor/model-structure.js';
import { RecipeFault } from '../recipe-fault.js';
import type { TrialExamples, TrialMessage, TrialPiece, TrialQuestion } from './message.js';

const MODULE = 'src/recipe/trial/main.js';
/** A trial takes a second or two; a large model on a busy machine takes longer. */
const DEADLINE_MS = 20_000;
/** A user's `build` or `sum` that takes more than this share of the time has hung, or will hold up every worker. */
const HUNG_SHARE = 0.5;

export interface TrialOptions extends Pick<TrialQuestion, 'data' | 'given'>, Partial<Pick<TrialQuestion, 'before'>> {
  /** Whether the user wants no trial: no training step is made, and a module that is slow is not refused. */
  readonly isQuick: boolean;
  /** Leaves out the training steps, and nothing else. */
  readonly isWithoutSteps?: boolean | undefined;
  /** Samples of each split that a stage trains on. */
  readonly examples: Promise<TrialExamples['splits']>;
  /** Ends the trial: nobody waits for it any more. */
  readonly signal: AbortSignal;
  /** Only tests give another. */
  readonly deadlineMs?: number | undefined;
}

export interface TrialFindings {
  /** The number of each model's parameters, by its key (`modelKey`); without a model that could not be built in time. */
  readonly parameters: Readonly<Record<string, number>>;
  /** The structure of each model of the recipe that was built. */
  readonly structures: Readonly<Record<string, ModelStructure>>;
  /** By trained model that has a teacher: the shapes, without the batch, of what a step takes from it; without a model that could not be tried. */
  readonly taught: Readonly<Record<string, readonly RowShape[]>>;
  /** By trained model, the numbers of one image that each student gives every other one for a loss over their gathered batch. */
  readonly gathered: Readonly<Record<string, number>>;
  /** The models of which a training step was made. */
  readonly tried: readonly string[];
  /** The engine of these steps; null when none was made. */
  readonly engine: string | null;
  readonly warnings: readonly string[];
}

/** The findings of a trial. Throws {@link RecipeFault}; what does not keep the recipe from being run is a warning. */
export async function askTrial(
  recipe: Recipe,
  { data, given, before = {}, isQuick, isWithoutSteps = false, examples, signal, deadlineMs = DEADLINE_MS }: TrialOptions,
): Promise<TrialFindings> {
  const hasSteps = !isQuick && !isWithoutSteps;
  const heard = new Findings(recipe, hasSteps);
  const { answer, end, isLate, silentMs } = await askChild<TrialMessage, TrialQuestion | TrialExamples>(
    {
      module: MODULE,
      args: [],
      question: { type: 'question', recipe, data, given: { stages: given.stages, folders: given.folders }, before, hasSteps },
      later: examples.then((splits) => ({ type: 'examples', splits })),
      isWaiting: ({ type }) => type === 'waiting',
      onAnswer: (message) => heard.take(message),
      signal,
    },
    deadlineMs,
  );
  if (answer?.type === 'refused') throw new RecipeFault(answer.path, answer.code, answer.message);
  if (answer?.type === 'broken') throw new Error(answer.stack);
  if (answer?.type === 'done') return heard.findings([]);
  const { piece } = heard;
  if (isLate) {
    const limit = `${deadlineMs / 1000} s`;
    // A step is large where the model is, so that it may just be slow; a build and a term, each tried alone, take no time.
    const isAlone = piece !== null && piece.what !== 'step' && piece.module !== null;
    if (isAlone && !isQuick && silentMs > HUNG_SHARE * deadlineMs)
      throw faultOf(piece, `${LATE[piece.what]} within ${limit}. ${ONLY_SLOW}`);
    return heard.findings([heard.describeLate(limit)]);
  }
  const ended = `its process ended (${describeEnd(end)})`;
  if (piece !== null && piece.module !== null) throw faultOf(piece, `${DOING[piece.what]}: ${ended}. A module must not end the process`);
  return heard.findings([`the models were not tried to the end: ${ended}`]);
}

const DOING: Readonly<Record<TrialPiece['what'], string>> = {
  model: 'while the model was built',
  term: 'while the term was computed',
  step: 'in a training step',
};

const LATE: Readonly<Record<Exclude<TrialPiece['what'], 'step'>, string>> = {
  model: 'the model is not built',
  term: 'the term, on two images, is not computed',
};
const ONLY_SLOW = 'Look for a loop that does not end. If the module is only slow, --quick leaves the trial out';

/** A fault of the user's module that runs in the piece. */
function faultOf({ path, module }: TrialPiece, what: string): RecipeFault {
  const { code, message } = new StillhouseError(module?.code ?? 'model.invalid', what, module === null ? {} : { file: module.file });
  return new RecipeFault(path, code, message);
}

/** Keeps what a trial has told so far. */
class Findings {
  readonly #recipe: Recipe;
  readonly #hasSteps: boolean;
  readonly #parameters: Record<string, number> = {};
  readonly #structures: Record<string, ModelStructure> = {};
  readonly #taught: Record<string, readonly RowShape[]> = {};
  readonly #gathered: Record<string, number> = {};
  /** The warnings about each model of which a step was made. */
  readonly #stepped = new Map<string, readonly string[]>();
  readonly #untried = new Map<string, string>();
  #engine: string | null = null;
  /** The piece that was begun last; null before the first, and before the first that needs samples. */
  piece: TrialPiece | null = null;

  constructor(recipe: Recipe, hasSteps: boolean) {
    this.#recipe = recipe;
    this.#hasSteps = hasSteps;
  }

  take(message: TrialMessage): void {
    if (message.type === 'begun') this.piece = message.piece;
    if (message.type === 'waiting') this.piece = null;
    if (message.type === 'built') {
      this.#parameters[message.model] = message.parameters;
      if (message.structure !== null) this.#structures[message.model] = message.structure;
    }
    if (message.type === 'taught') this.#taught[message.peer] = message.shapes;
    if (message.type === 'gathered') this.#gathered[message.peer] = message.numbers;
    if (message.type === 'untried') this.#untried.set(message.peer, `no ${message.what} could be tried: ${message.reason}`);
    if (message.type === 'stepped') {
      this.#stepped.set(message.peer, message.warnings);
      this.#engine = message.engine;
    }
  }

  findings(more: readonly string[]): TrialFindings {
    const untried = [...this.#untried].map(([peer, reason]) => `${peer}: ${reason}`);
    // In the order of the recipe, which is not that of the trial.
    const tried = this.#names().filter((name) => this.#stepped.has(name));
    const warnings = [...tried.flatMap((name) => this.#stepped.get(name) ?? []), ...untried, ...more];
    const [parameters, structures, taught, gathered] = [this.#parameters, this.#structures, this.#taught, this.#gathered];
    return { parameters, structures, taught, gathered, tried, engine: this.#engine, warnings };
  }

  /** The models that train. */
  #names(): readonly string[] {
    return trainedPeers(this.#recipe).map(({ name }) => spellPeer(name));
  }

  /** Says what is left undone at the deadline, and what the trial was at. */
  describeLate(limit: string): string {
    const left = this.#hasSteps ? this.#names().filter((name) => !this.#stepped.has(name)) : [];
    const module = this.piece?.module?.file;
    const at = this.piece === null ? 'starting' : `at ${formatPath(this.piece.path)}${module === undefined ? '' : ` (${module})`}`;
    const what = left.length === 0 ? 'not all models and terms were tried' : `no training step was tried of ${left.join(', ')}`;
    return `${what}: after ${limit} the trial was still ${at}. --quick leaves it out`;
  }
}
