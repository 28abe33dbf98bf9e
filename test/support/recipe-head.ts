/** The head of a recipe, seven lines, before its stages: two models, and photographs in the package as the splits `few` and `test`. */
export const RECIPE_HEAD = `name: small
data:
  format: idx
  path: builtin:fashion-mnist
  normalise: { mean: [0.286], std: [0.353] }
  splits: { few: { part: test, to: 500 }, test: { part: test, from: 9000 } }
models: { large: { name: cnn-teacher }, small: { name: cnn-student } }
`;
