/** The largest magnitude of RandAugment's changes, as torchvision has it: it has 31, with 0. */
export const MAGNITUDE_MAX = 30;
