/** The files of a folder that a list names by their paths, each of them once. */

import { readdir, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, posix, relative, resolve, sep } from 'node:path';
import { StillhouseError } from '../errors/stillhouse-error.js';

/** An entry that is no file, and a link that was not followed yet. A file has the line that took it, or 0. */
const OTHER = -1;
const LINK = -2;
const NOT_TAKEN = 0;

/** It reads each folder that has some of the files, and looks at no file. Links may lead to what is in the folder. */
export class ListedFiles {
  readonly #list: string;
  readonly #root: string;
  /** By path: the names of the entries. */
  readonly #folders = new Map<string, Map<string, number>>();
  #realRoot: string | null = null;

  /** `list`: the file that names them, for messages. `root`: the absolute folder from which paths start. */
  constructor(list: string, root: string) {
    this.#list = list;
    this.#root = root;
  }

  /** The path of a file from the root on, as the line of the list names it. Throws data.missing, and data.damaged about a path that leads out, or that came before. */
  async take(written: string, line: number): Promise<string> {
    if (written === '') throw this.#fault(line, 'has an empty path');
    const path = posix.normalize(isAbsolute(written) ? relative(resolve(this.#root), written) : written);
    if (path === '..' || path.startsWith('../') || isAbsolute(path) || path.includes('\0')) {
      throw this.#fault(line, `the path ${written} leads out of the data set's folder, ${this.#root}`);
    }
    const [folder, name] = [posix.dirname(path), posix.basename(path)];
    const entries = this.#folders.get(folder) ?? (await this.#read(folder, line));
    let state = entries.get(name);
    if (state === LINK) state = await this.#follow(path, line);
    if (state === undefined) throw this.#missing(path, line);
    if (state === OTHER) throw this.#fault(line, `${path} is not a file`);
    if (state !== NOT_TAKEN) throw this.#fault(line, `names ${path} a second time: line ${state} has it`);
    entries.set(name, line);
    return path;
  }

  /** The entries of a folder; none where it is not there. */
  async #read(folder: string, line: number): Promise<Map<string, number>> {
    const entries = new Map<string, number>();
    const real = await realpath(join(this.#root, folder)).catch(() => null);
    if (real !== null) {
      await this.#requireWithin(real, folder, line);
      for (const entry of await readdir(real, { withFileTypes: true }).catch(() => [])) {
        entries.set(entry.name, entry.isFile() ? NOT_TAKEN : entry.isSymbolicLink() ? LINK : OTHER);
      }
    }
    this.#folders.set(folder, entries);
    return entries;
  }

  /** The state of a link's target. */
  async #follow(path: string, line: number): Promise<number | undefined> {
    const real = await realpath(join(this.#root, path)).catch(() => null);
    if (real === null) return undefined;
    await this.#requireWithin(real, path, line);
    return (await stat(real)).isFile() ? NOT_TAKEN : OTHER;
  }

  async #requireWithin(real: string, path: string, line: number): Promise<void> {
    this.#realRoot ??= await realpath(this.#root);
    if (real === this.#realRoot || real.startsWith(this.#realRoot + sep)) return;
    throw this.#fault(line, `${path} is reached by a link out of the data set's folder, to ${real}`);
  }

  #fault(line: number, what: string): StillhouseError {
    const hint = 'Each line names an image of its own, by its path from data.path on';
    return new StillhouseError('data.damaged', what, { file: this.#list, line, hint });
  }

  #missing(path: string, line: number): StillhouseError {
    const slash = path.includes('\\') ? ', with / between folders' : '';
    const hint = `Paths are from data.path on (${this.#root})${slash}: put the file there, or mend the line`;
    return new StillhouseError('data.missing', `there is no file ${path}`, { file: this.#list, line, hint });
  }
}
