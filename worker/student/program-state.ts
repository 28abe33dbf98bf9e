/**
 * Which state the program of a stage holds: its parameters and its optimiser's slots, each by name. A student writes into its
 * program and reads out of it only through here, so that a state that is there already is not copied.
 *
 * Invariant: a state that is named here is in the program, to the bit; the result of half a round has no name.
 */

import { present } from '../../src/base/assert.js';
import { describeState, isSameState, type StateName } from '../../src/protocol/state-name.js';
import type { StepProgram } from '../../src/step/step-program.js';
import { firstNotFinite, hashState } from '../../src/tensor/state-tensors.js';
import { notFinite } from './not-finite.js';
import { type CheckedState, type CommittedState, isChecked } from './state.js';

export class ProgramState {
  readonly #program: StepProgram;
  #parameters: StateName | null;
  #slots: StateName | null;

  /** A newly built program holds new parameters and slots before the first step: the initial state of this name; null where that is another. */
  constructor(program: StepProgram, initial: StateName | null) {
    this.#program = program;
    this.#parameters = initial;
    this.#slots = initial;
  }

  /** Makes the program hold the state, to train on from it. */
  load(state: CommittedState): void {
    this.loadParameters(state);
    if (isNamed(this.#slots, state.state)) return;
    if (state.slots !== null) this.#program.writeSlots(state.slots);
    else if (state.state.round === 0) this.#program.resetSlots();
    else throw lost(state);
    this.#slots = state.state;
  }

  /** Makes the program hold the parameters, to test or write them. */
  loadParameters({ state, parameters }: CommittedState): void {
    if (isNamed(this.#parameters, state)) return;
    this.#program.writeParameters(present(parameters, `the parameters of ${describeState(state)}`));
    this.#parameters = state;
  }

  /** Must be called before steps change the program's parameters and slots. They then have no name. */
  leave(): void {
    this.#parameters = null;
    this.#slots = null;
  }

  /** Gives the parameters and the slots in the program this name. */
  hold(state: StateName): void {
    this.#parameters = state;
    this.#slots = state;
  }

  /** Gives the slots in the program this name. The parameters then belong to no state. */
  holdSlots(state: StateName): void {
    this.#parameters = null;
    this.#slots = state;
  }

  /** The state with arrays to go back to. Must be called before the program leaves the state. */
  backUp(state: CommittedState): CommittedState {
    const parameters = state.parameters ?? this.#readParameters(state);
    const slots = state.slots ?? (state.state.round === 0 ? null : this.#readSlots(state));
    return { ...state, parameters, slots };
  }

  /** The state with its arrays, hashed and checked to be finite, once. Throws training.notFinite. */
  readOut(state: CommittedState): CheckedState {
    if (isChecked(state)) return state;
    const parameters = state.parameters ?? this.#readParameters(state);
    const slots = state.slots ?? this.#readSlots(state);
    const tensors = new Map([
      ['parameters', parameters],
      ['slots', slots],
    ]);
    const culprit = firstNotFinite(tensors);
    if (culprit !== null) throw notFinite(describeState(state.state), `the tensor ${culprit} is`);
    return { ...state, parameters, slots, hash: state.hash ?? hashState(tensors), isChecked: true };
  }

  #readParameters(state: CommittedState): Float32Array {
    if (!isNamed(this.#parameters, state.state)) throw lost(state);
    return this.#program.readParameters();
  }

  #readSlots(state: CommittedState): Float32Array {
    if (!isNamed(this.#slots, state.state)) throw lost(state);
    return this.#program.readSlots();
  }
}

function isNamed(held: StateName | null, state: StateName): boolean {
  return held !== null && isSameState(held, state);
}

/** The error of a state that is neither in the program nor in arrays: a bug. */
function lost({ state }: CommittedState): Error {
  return new Error(`${describeState(state)} is neither in the program nor read out of it`);
}
