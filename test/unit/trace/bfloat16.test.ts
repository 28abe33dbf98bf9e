import { describe, expect, test } from 'vitest';
import { toBfloat16, toBfloat16WithCut } from '../../../src/trace/bfloat16.js';
import { type Attribute, DATA_TYPE, type TensorType, type Value } from '../../../src/trace/recording.js';
import { channels, constant, filter, image, listing, small, type } from '../../support/small-recording.js';

const { float32, bfloat16, int32 } = DATA_TYPE;

describe('what goes into bfloat16', () => {
  test('a convolution, its input and its weights; its answer comes back for an output', () => {
    const { recording, conv } = small();
    recording.outputs.y = conv('x', 0);
    expect(listing(toBfloat16(recording))).toEqual([
      'b0 = Cast(x)',
      'b1 = Cast(variable 0)',
      'b2 = Conv2D(b0, b1)',
      'f3 = Cast(b2)',
      'y: f3',
    ]);
  });

  test('a cast names both types and rounds to nearest', () => {
    const { recording, conv } = small();
    recording.outputs.y = conv('x', 0);
    expect(toBfloat16(recording).operations[0]).toEqual({
      op: 'Cast',
      attributes: [
        { name: 'SrcT', kind: 'type', value: float32 },
        { name: 'DstT', kind: 'type', value: bfloat16 },
        { name: 'Truncate', kind: 'bool', value: false },
      ],
      inputs: [{ from: 'feed', name: 'x' }],
      outputs: [{ dtype: bfloat16, shape: [2, 4, 4, 3] }],
    });
  });

  test('all that stands between two convolutions, with no cast on the way; statistics and scales stay float32', () => {
    const { recording, conv, batchNorm, relu } = small();
    recording.outputs.y = conv(relu(batchNorm(conv('x', 0))), 1);
    const lowered = toBfloat16(recording);
    expect(listing(lowered)).toEqual([
      'b0 = Cast(x)',
      'b1 = Cast(variable 0)',
      'b2 = Conv2D(b0, b1)',
      'b3,f,f,f,f,f = FusedBatchNormV3(b2, constant 0, constant 0, variable 2, variable 3)',
      'b4 = Relu(b3)',
      'b5 = Cast(variable 1)',
      'b6 = Conv2D(b4, b5)',
      'f7 = Cast(b6)',
      'variable 2 := f3:1',
      'y: f7',
    ]);
    const norm = lowered.operations.find(({ op }) => op === 'FusedBatchNormV3');
    expect(norm?.attributes).toEqual([type('T', bfloat16), type('U', float32), { name: 'epsilon', kind: 'float', value: 1e-5 }]);
  });

  test('nothing after the last convolution or before the first: the casts stand there', () => {
    const { recording, conv, add } = small();
    const scaled = add('Mul', ['x', constant(recording, [])], [image]);
    recording.outputs.y = add('Relu', [conv(scaled, 0)], [image]);
    expect(listing(toBfloat16(recording))).toEqual([
      'f0 = Mul(x, constant 0)',
      'b1 = Cast(f0)',
      'b2 = Cast(variable 0)',
      'b3 = Conv2D(b1, b2)',
      'f4 = Cast(b3)',
      'f5 = Relu(f4)',
      'y: f5',
    ]);
  });

  test('one cast per value, whoever needs it: an answer for the loss and for a convolution, weights used twice', () => {
    const { recording, conv, add } = small();
    const y = conv('x', 0);
    const loss = add('Exp', [y], [image]);
    recording.outputs.z = add('Softplus', [y], [image]);
    recording.outputs.loss = loss;
    recording.outputs.again = conv(y, 0);
    expect(listing(toBfloat16(recording))).toEqual([
      'b0 = Cast(x)',
      'b1 = Cast(variable 0)',
      'b2 = Conv2D(b0, b1)',
      'f3 = Cast(b2)',
      'f4 = Exp(f3)',
      'f5 = Softplus(f3)',
      'b6 = Conv2D(b2, b1)',
      'f7 = Cast(b6)',
      'z: f5',
      'loss: f4',
      'again: f7',
    ]);
  });

  test('the gradients of a convolution, not the sizes that they are told; the weights are updated in float32', () => {
    const { recording, conv, add } = small();
    const sizes = constant(recording, [4], int32);
    const y = conv('x', 0);
    const dx = add('Conv2DBackpropInput', [sizes, { from: 'variable', index: 0 }, y], [image]);
    const dw = add('Conv2DBackpropFilter', [dx, sizes, y], [filter]);
    const decay = add('AddV2', [dw, { from: 'variable', index: 0 }], [filter]);
    recording.assignments[0] = add('Sub', [{ from: 'variable', index: 0 }, decay], [filter]);
    expect(listing(toBfloat16(recording)).slice(3)).toEqual([
      'b3 = Conv2DBackpropInput(constant 0, b1, b2)',
      'b4 = Conv2DBackpropFilter(b3, constant 0, b2)',
      'f5 = Cast(b4)',
      'f6 = AddV2(f5, variable 0)',
      'f7 = Sub(variable 0, f6)',
      'variable 0 := f7',
    ]);
  });

  test('no sum that becomes a variable, even where a convolution reads it next', () => {
    const { recording, conv, add } = small();
    const gradient = add('Conv2DBackpropFilter', ['x', constant(recording, [4], int32), 'x'], [filter]);
    const updated = add('AddV2', [{ from: 'variable', index: 0 }, gradient], [filter]);
    recording.assignments[0] = updated;
    recording.outputs.y = conv('x', updated);
    expect(listing(toBfloat16(recording))).toEqual([
      'b0 = Cast(x)',
      'b1 = Conv2DBackpropFilter(b0, constant 0, b0)',
      'f2 = Cast(b1)',
      'f3 = AddV2(variable 0, f2)',
      'b4 = Cast(f3)',
      'b5 = Conv2D(b0, b4)',
      'f6 = Cast(b5)',
      'variable 0 := f3',
      'y: f6',
    ]);
  });

  test('the gradient of a batch normalisation: what flows, not the statistics', () => {
    const { recording, conv, add } = small();
    const y = conv('x', 0);
    const scale = constant(recording, [3]);
    const grad = add('FusedBatchNormGradV3', [y, y, scale, scale, scale, scale], [image, channels, channels, channels, channels]);
    recording.outputs.dx = conv(grad, 0);
    recording.outputs.dscale = { ...grad, output: 1 } as Value;
    expect(listing(toBfloat16(recording)).slice(3)).toEqual([
      'b3,f,f,f,f = FusedBatchNormGradV3(b2, b2, constant 0, constant 0, constant 0, constant 0)',
      'b4 = Conv2D(b3, b1)',
      'f5 = Cast(b4)',
      'dx: f5',
      'dscale: f3:1',
    ]);
  });

  test('a cast between equal types goes along; one from another type is a border', () => {
    const { recording, conv, add } = small();
    const types = (from: number) => [type('SrcT', from), type('DstT', float32)];
    const same = add('Cast', [conv('x', 0)], [image], types(float32));
    const mask = add('Cast', [constant(recording, [2, 4, 4, 3], int32)], [image], types(int32));
    recording.outputs.y = conv(add('Mul', [same, mask], [image]), 0);
    const lowered = toBfloat16(recording);
    expect(listing(lowered).slice(2)).toEqual([
      'b2 = Conv2D(b0, b1)',
      'b3 = Cast(b2)',
      'f4 = Cast(constant 0)',
      'b5 = Cast(f4)',
      'b6 = Mul(b3, b5)',
      'b7 = Conv2D(b6, b1)',
      'f8 = Cast(b7)',
      'y: f8',
    ]);
    expect(lowered.operations[3]?.attributes).toEqual([type('SrcT', bfloat16), type('DstT', bfloat16)]);
  });

  test('a light operation gets its other input cast: a residual, a constant', () => {
    const { recording, conv, add } = small();
    const residual = add('AddV2', [conv('x', 0), 'x'], [image]);
    const padded = add('PadV2', [residual, constant(recording, [4, 2], int32), constant(recording, [])], [image]);
    recording.outputs.y = conv(padded, 0);
    expect(listing(toBfloat16(recording)).slice(2)).toEqual([
      'b2 = Conv2D(b0, b1)',
      'b3 = AddV2(b2, b0)',
      'b4 = Cast(constant 1)',
      'b5 = PadV2(b3, constant 0, b4)',
      'b6 = Conv2D(b5, b1)',
      'f7 = Cast(b6)',
      'y: f7',
    ]);
  });

  test.each([
    { rows: 128, columns: 10, transposed: false, lowered: false },
    { rows: 128, columns: 512, transposed: false, lowered: true },
    { rows: 16, columns: 2048, transposed: true, lowered: true },
    { rows: 8, columns: 10, transposed: true, lowered: false },
  ])('a product of $rows by 64 by $columns, transposed $transposed: $lowered', ({ rows, columns, transposed, lowered }) => {
    const { recording, add } = small();
    const a = constant(recording, transposed ? [64, rows] : [rows, 64]);
    const b = constant(recording, [64, columns]);
    const attributes: Attribute[] = [type('T', float32), { name: 'adj_x', kind: 'bool', value: transposed }];
    recording.outputs.y = add('BatchMatMulV2', [a, b], [{ dtype: float32, shape: [rows, columns] }], attributes);
    expect(listing(toBfloat16(recording)).includes('b2 = BatchMatMulV2(b0, b1)')).toBe(lowered);
  });
});

describe('the place of a cut', () => {
  test.each([
    { cut: 'nothing', from: 0, to: 0 },
    { cut: 'the convolution, whose casts come with it and whose answer is given out before the cut', from: 1, to: 4 },
    { cut: 'what follows in float32', from: 2, to: 5 },
    { cut: 'the second convolution: the cast of its weights', from: 3, to: 7 },
    { cut: 'all', from: 4, to: 9 },
  ])('$cut', ({ from, to }) => {
    const { recording, conv, add } = small();
    const y = conv('x', 0);
    recording.outputs.y = y;
    add('Exp', [y], [image]);
    const z = conv(y, 1);
    recording.outputs.loss = add('Log', [z], [image]);
    const { recording: lowered, cutAt } = toBfloat16WithCut({ recording, cutAt: from });
    expect(listing(lowered)).toEqual([
      'b0 = Cast(x)',
      'b1 = Cast(variable 0)',
      'b2 = Conv2D(b0, b1)',
      'f3 = Cast(b2)',
      'f4 = Exp(f3)',
      'b5 = Cast(variable 1)',
      'b6 = Conv2D(b2, b5)',
      'f7 = Cast(b6)',
      'f8 = Log(f7)',
      'y: f3',
      'loss: f8',
    ]);
    expect(cutAt).toBe(to);
  });

  test('is left where it was in a recording without a heavy operation', () => {
    const { recording, add } = small();
    add('Relu', ['x'], [image]);
    expect(toBfloat16WithCut({ recording, cutAt: 1 })).toEqual({ recording, cutAt: 1 });
  });
});

describe('what stays as it is', () => {
  test('a recording without a heavy operation: the same object', () => {
    const { recording, add } = small();
    recording.outputs.y = add('Relu', ['x'], [image]);
    expect(toBfloat16(recording)).toBe(recording);
  });

  test('the recording that was given', () => {
    const { recording, conv, relu } = small();
    recording.outputs.y = conv(relu(conv('x', 0)), 1);
    const before = structuredClone(recording);
    toBfloat16(recording);
    expect(recording).toEqual(before);
  });

  test('a feed or a variable that is an output too, and a variable that takes another as it is', () => {
    const { recording, conv } = small();
    recording.outputs.y = conv('x', 0);
    recording.outputs.x = { from: 'feed', name: 'x' };
    recording.assignments[1] = { from: 'variable', index: 0 };
    const lowered = toBfloat16(recording);
    expect(lowered.outputs.x).toEqual({ from: 'feed', name: 'x' });
    expect(lowered.assignments[1]).toEqual({ from: 'variable', index: 0 });
  });

  test('operations on whole numbers, whatever their name', () => {
    const { recording, conv, add } = small();
    const shape: TensorType = { dtype: int32, shape: [4] };
    const sizes = add('AddV2', [constant(recording, [4], int32), constant(recording, [4], int32)], [shape], [type('T', int32)]);
    recording.outputs.dx = add('Conv2DBackpropInput', [sizes, { from: 'variable', index: 0 }, conv('x', 0)], [image]);
    expect(listing(toBfloat16(recording))[0]).toBe('i0 = AddV2(constant 0, constant 1)');
  });
});
