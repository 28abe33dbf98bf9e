import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toBfloat16 } from '../../../src/trace/bfloat16.js';
import { DATA_TYPE, type Operation, type Recording, typeOfValue, type Value } from '../../../src/trace/recording.js';
import { constant, image, small, type } from '../../support/small-recording.js';

const { float32, bfloat16, int32 } = DATA_TYPE;

describe('any recording', () => {
  test('keeps its types at all borders, has each type where it is announced, casts a value once, and is done after one pass', () => {
    fc.assert(
      fc.property(anyRecording, (recording) => {
        const lowered = toBfloat16(recording);
        for (const [name, value] of Object.entries(recording.outputs)) {
          expect(typeOfValue(lowered, lowered.outputs[name] as Value)).toEqual(typeOfValue(recording, value));
        }
        recording.assignments.forEach((value, i) => {
          const assigned = lowered.assignments[i] ?? null;
          expect(assigned && typeOfValue(lowered, assigned)).toEqual(value && typeOfValue(recording, value));
        });
        lowered.operations.forEach((operation, index) => {
          expectTypes(lowered, operation);
          for (const value of operation.inputs) if (value.from === 'operation') expect(value.index).toBeLessThan(index);
        });
        const casts = lowered.operations.filter(({ op }) => op === 'Cast').map(({ inputs }) => JSON.stringify(inputs));
        expect(new Set(casts).size).toBe(casts.length);
        expect(lowered.operations.filter(({ op }) => op !== 'Cast').map(({ op }) => op)).toEqual(recording.operations.map(({ op }) => op));
        for (const { op, attributes } of lowered.operations) {
          if (op === 'Conv2D') expect(attributes).toContainEqual(type('T', bfloat16));
        }
        expect(toBfloat16(lowered)).toBe(lowered);
      }),
      { numRuns: 300 },
    );
  });
});

/** Every input and output of type T is what the attribute T says, and those of BatchNormalization's type U are float32. */
function expectTypes(recording: Recording, operation: Operation): void {
  const { op, attributes, inputs, outputs } = operation;
  const given = inputs.map((value) => typeOfValue(recording, value).dtype);
  const made = outputs.map(({ dtype }) => dtype);
  const announced = (name: string) => attributes.find((attribute) => attribute.name === name)?.value;
  if (op === 'Cast') {
    expect([given, made]).toEqual([[announced('SrcT')], [announced('DstT')]]);
    return;
  }
  const leading = op === 'FusedBatchNormV3' ? 1 : 5;
  const typed = [...given.slice(0, leading), ...made.slice(0, leading)].filter((dtype) => dtype !== int32);
  expect(new Set(typed)).toEqual(new Set([announced('T')]));
  for (const dtype of [...given.slice(leading), ...made.slice(leading)]) expect(dtype).toBe(float32);
}

/** Graphs of up to 14 operations on images, wired at random; some answers are assigned, some are outputs. */
const anyRecording: fc.Arbitrary<Recording> = fc
  .array(
    fc.record({
      op: fc.constantFrom('Conv2D', 'Conv2DBackpropInput', 'FusedBatchNormV3', 'Relu', 'AddV2', 'Exp', 'Reshape', 'Identity'),
      inputs: fc.tuple(fc.nat(), fc.nat()),
      use: fc.constantFrom('none', 'none', 'output', 'assign'),
    }),
    { maxLength: 14 },
  )
  .map((steps) => {
    const { recording, add, conv, batchNorm } = small();
    recording.variables.push(image);
    recording.assignments.push(null);
    const sizes = constant(recording, [4], int32);
    const images: Value[] = [
      { from: 'feed', name: 'x' },
      { from: 'variable', index: 4 },
    ];
    steps.forEach(({ op, inputs: [first, second], use }, index) => {
      const a = images[first % images.length] as Value;
      const b = images[second % images.length] as Value;
      const made =
        op === 'Conv2D'
          ? conv(a, second % 2)
          : op === 'FusedBatchNormV3'
            ? batchNorm(a)
            : add(
                op,
                op === 'AddV2' ? [a, b] : op === 'Conv2DBackpropInput' ? [sizes, conv(a, 0), b] : op === 'Reshape' ? [a, sizes] : [a],
                [image],
              );
      images.push(made);
      if (use === 'output') recording.outputs[`y${index}`] = made;
      if (use === 'assign') recording.assignments[4] = made;
    });
    return recording;
  });
