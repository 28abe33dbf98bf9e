/**
 * Knowledge: the tensors of one model about a view, from which another model learns. A spec names a tensor; it is
 * plain data, so that it can be sent. The arithmetic that makes the tensor is in src/nn.
 *
 * Invariant: the knowledge that answers a list of specs has one tensor for each, in their order, and each tensor's first
 * axis is the view's samples.
 */

/** A small program that runs where the model is, before anything travels: its name and its numbers (src/nn/reduction). */
export interface ReductionSpec {
  readonly name: string;
  readonly options: Readonly<Record<string, number>>;
}

/** The name of one tensor that a forward pass gives. */
export type OutputSpec =
  /** The model's output, [B, K]. */
  | { readonly of: 'logits' }
  /** The output of the layer with this name, [B, ...], reduced where `reduce` is not null. */
  | { readonly of: 'tap'; readonly layer: string; readonly reduce: ReductionSpec | null }
  /** The flow between the maps of two layers, of C and D channels, [B, C, D]: src/nn/flow.ts. */
  | { readonly of: 'flow'; readonly from: string; readonly to: string };

/** The name of one tensor of which each row is about one sample alone, whatever else is in the view. */
export type SampleSpec =
  | OutputSpec
  /** The gradient of the model's own cross-entropy with the labels, summed over the view, by the images: [B, H, W, C]. */
  | { readonly of: 'input-gradient' };

/** The name of one tensor about a view. */
export type KnowledgeSpec =
  | SampleSpec
  /** How alike the samples of the view are by the output of this layer, [B, B] (src/losses/similarity.ts): a row is about all of them. */
  | { readonly of: 'similarity'; readonly layer: string };

/** Whether a forward pass alone gives the tensor. */
export function isOutputSpec(spec: KnowledgeSpec): spec is OutputSpec {
  return isSampleSpec(spec) && spec.of !== 'input-gradient';
}

/** Whether each row of the tensor is about one sample alone. */
export function isSampleSpec(spec: KnowledgeSpec): spec is SampleSpec {
  return spec.of !== 'similarity';
}

/** The spec of each sample alone that a tensor is made of: its own spec, or the layer of which the samples are compared. */
export function sampleSpecOf(spec: KnowledgeSpec): SampleSpec {
  return isSampleSpec(spec) ? spec : { of: 'tap', layer: spec.layer, reduce: null };
}

/** The shape of a tensor of knowledge without its first axis. An axis `view` has the samples of the view, as the first one has. */
export type RowShape = readonly (number | 'view')[];

/** The whole shape of a tensor about a view of this many samples. */
export function viewShape(shape: RowShape, samples: number): readonly number[] {
  return [samples, ...shape.map((axis) => (axis === 'view' ? samples : axis))];
}

/** The response of a model, which most methods take. */
export const LOGITS_SPEC: OutputSpec = { of: 'logits' };

/** One tensor of knowledge: [B, ...], row-major. Its holder must not change it while a transport may read it. */
export interface KnowledgeTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** The tensors in the order of the specs that were asked for. */
export type Knowledge = readonly KnowledgeTensor[];

/** A text that is equal exactly for specs that mean the same tensor. It is readable: `tap block1 (attention p=2)`. */
export function specKey(spec: KnowledgeSpec): string {
  if (spec.of === 'flow') return `flow ${JSON.stringify([spec.from, spec.to])}`;
  if (spec.of === 'similarity') return `similarity ${spec.layer}`;
  if (spec.of !== 'tap') return spec.of;
  if (spec.reduce === null) return `tap ${spec.layer}`;
  const options = Object.entries(spec.reduce.options).sort(([a], [b]) => (a < b ? -1 : 1));
  return `tap ${spec.layer} (${[spec.reduce.name, ...options.map(([name, value]) => `${name}=${value}`)].join(' ')})`;
}

/** A text that is equal exactly for lists of specs that mean the same tensors in the same order. */
export function specsKey(specs: readonly KnowledgeSpec[]): string {
  return specs.map(specKey).join('\n');
}

/** Rows [from, to) of a tensor of a `SampleSpec`: a copy, or the tensor itself when these are all its rows. */
export function rowsOf(tensor: KnowledgeTensor, from: number, to: number): KnowledgeTensor {
  const [rows = 0, ...shape] = tensor.shape;
  if (from === 0 && to === rows) return tensor;
  const row = tensor.data.length / rows;
  return { shape: [to - from, ...shape], data: tensor.data.slice(from * row, to * row) };
}
