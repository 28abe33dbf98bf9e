/** The structure of a model, without tfjs: two models of one structure compute the same from the same parameters. src/nn/structure.ts makes it. */

export interface ModelStructure {
  /** SHA-256, 64 hexadecimal digits. */
  readonly digest: string;
  /** The number of layers, those of a model inside the model included. */
  readonly layers: number;
  readonly parameters: number;
}
