/** The names and numbers that many parts of a recipe have. */

import { z } from 'zod';

/** A name that the user chooses. */
export const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'letters, digits, ".", "_" and "-", starting with a letter or digit')
  .max(64);
/** Above 0. */
export const positive = z.number().gt(0);
/** From 0 to 1. */
export const share = z.number().min(0).max(1);
/** A whole number, at least 1. */
export const wholeFromOne = z.int().min(1);
