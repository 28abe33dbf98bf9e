/** Softmax regression, trained in float64 with loops: what a step program does to a linear model, once more. */

import type { OptimizerRecipe } from '../../src/config/schema.js';
import type { StepBatch, StepKnobs } from '../../src/step/step-program.js';
import { crossEntropyOf, softmax, softTermOf } from './loss-reference.js';

export class LinearReference {
  /** [pixels x classes] row-major, then the biases: the order of the arena. */
  readonly parameters: Float64Array;
  readonly #classes: number;
  readonly #pixels: number;
  readonly #optimizer: OptimizerRecipe;
  readonly #first: Float64Array;
  readonly #second: Float64Array;
  #steps = 0;

  constructor(parameters: Float32Array, classes: number, optimizer: OptimizerRecipe) {
    this.parameters = Float64Array.from(parameters);
    this.#classes = classes;
    this.#pixels = parameters.length / classes - 1;
    this.#optimizer = optimizer;
    this.#first = new Float64Array(parameters.length);
    this.#second = new Float64Array(parameters.length);
  }

  logitsOf(pixels: Float32Array): number[] {
    return Array.from({ length: this.#classes }, (_, k) => {
      let sum = this.parameters[this.#pixels * this.#classes + k] as number;
      pixels.forEach((pixel, i) => {
        sum += pixel * (this.parameters[i * this.#classes + k] as number);
      });
      return sum;
    });
  }

  /** The loss, summed, before the update. Without targets it is cross-entropy with the labels. */
  step({ size, images, labels, other }: StepBatch, { rate, loss: numbers }: StepKnobs): number {
    const { 'hinton.weight': alpha = 0, 'hinton.temperature': temperature = 1 } = numbers;
    const targets = other[0]?.data ?? null;
    const gradient = new Float64Array(this.parameters.length);
    let loss = 0;
    for (let b = 0; b < size; b++) {
      const pixels = images.subarray(b * this.#pixels, (b + 1) * this.#pixels);
      const logits = this.logitsOf(pixels);
      const label = labels.classes[b] as number;
      const teacher = targets === null ? null : [...targets.subarray(b * this.#classes, (b + 1) * this.#classes)];
      const soft = teacher === null ? 0 : alpha;
      loss += (1 - soft) * crossEntropyOf(logits, label) + (teacher === null ? 0 : soft * softTermOf(logits, teacher, temperature));
      const p = softmax(logits);
      const warm = softmax(logits, temperature);
      const taught = teacher === null ? warm : softmax(teacher, temperature);
      for (let k = 0; k < this.#classes; k++) {
        const hard = (p[k] as number) - (k === label ? 1 : 0);
        const d = ((1 - soft) * hard + soft * temperature * ((warm[k] as number) - (taught[k] as number))) / size;
        pixels.forEach((pixel, i) => {
          gradient[i * this.#classes + k]! += d * pixel;
        });
        gradient[this.#pixels * this.#classes + k]! += d;
      }
    }
    this.#update(gradient, rate);
    return loss;
  }

  #update(gradient: Float64Array, rate: number): void {
    const recipe = this.#optimizer;
    this.#steps += 1;
    gradient.forEach((raw, i) => {
      const decays = recipe.decayAll || i < this.#pixels * this.#classes;
      const g = raw + (decays ? recipe.weightDecay * this.parameters[i]! : 0);
      if (recipe.name === 'sgd') {
        this.#first[i] = recipe.momentum * this.#first[i]! + g;
        this.parameters[i]! -= rate * (recipe.nesterov ? g + recipe.momentum * this.#first[i]! : this.#first[i]!);
      } else {
        this.#first[i] = recipe.beta1 * this.#first[i]! + (1 - recipe.beta1) * g;
        this.#second[i] = recipe.beta2 * this.#second[i]! + (1 - recipe.beta2) * g * g;
        const m = this.#first[i]! / (1 - recipe.beta1 ** this.#steps);
        const v = this.#second[i]! / (1 - recipe.beta2 ** this.#steps);
        this.parameters[i]! -= (rate * m) / (Math.sqrt(v) + recipe.epsilon);
      }
    });
  }
}
