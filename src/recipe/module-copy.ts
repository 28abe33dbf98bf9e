/** The copies of a user's modules in the folder of a run: one for each content that the run has begun or gone on with, never changed. */

import { dirname, join, parse } from 'node:path';

/** The folder of the copies, in the run's folder. */
const MODULES_FOLDER = 'modules';
/** Enough digits of a digest to tell two apart. */
const DIGITS = 12;
const NAME_MAX = 64;

/** The path of the copy of a module with this digest. A file that is a copy already is its own. */
export function copyOf(run: string, { file, digest }: { readonly file: string; readonly digest: string }): string {
  const folder = join(run, MODULES_FOLDER);
  if (dirname(file) === folder) return file;
  const { name, ext } = parse(file);
  return join(folder, `${name.slice(0, NAME_MAX)}-${digest.slice(0, DIGITS)}${ext}`);
}

/** The option that gives this file to the module at this place of the recipe, as it can be typed. */
export function moduleOption(place: string, file: string): string {
  const key = place.replaceAll(/\[(\d+)\]/g, '.$1');
  return `--set ${key}.module=${/^[\w./-]+$/.test(file) ? file : JSON.stringify(file)}`;
}

/** The files beside it that a module names, as it seems from its text: a copy of it elsewhere would not find them. */
export function neighboursOf(text: string): readonly string[] {
  return [...new Set([...text.matchAll(/(['"`])(\.{1,2}\/[^'"`\n]+)\1/g)].map(([, , path = '']) => path))];
}
