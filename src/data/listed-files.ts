/** The files of a folder that a list names by their paths, each of them once. */

import { readdir, realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, posix, relative, resolve, sep } from 'node:path';
import { StillhouseError } from '../errors/stillhouse-error.js';

/** An entry that is no file, and a link, which is followed each time. A file has the line that took it, or 0. */
const OTHER = -1;
const LINK = -2;
const NOT_TAKEN = 0;

/** A folder by its path without links: the same for all paths that lead to it. */
interface ListedFolder {
  readonly real: string;
  /** By their names. */
  readonly entries: Map<string, number>;
}

/** It reads each folder that has some of the files, and looks at no file. Links may lead to what is in the folder, and a file that several paths lead to counts as one. */
export class ListedFiles {
  readonly #list: string;
  readonly #root: string;
  /** By the path as it is written; null where there is no folder. */
  readonly #folders = new Map<string, ListedFolder | null>();
  readonly #real = new Map<string, ListedFolder>();
  #realRoot: string | null = null;

  /** `list`: the file that names them, for messages. `root`: the absolute folder from which paths start. */
  constructor(list: string, root: string) {
    this.#list = list;
    this.#root = root;
  }

  /**
   * The path of a file from the root on, as the line of the list names it. Throws data.missing, and data.damaged about a path that leads out, or to a file that came before, by
   * the same path or another one.
   */
  async take(written: string, line: number): Promise<string> {
    if (written === '') throw this.#fault(line, 'has an empty path');
    const path = posix.normalize(isAbsolute(written) ? relative(resolve(this.#root), written) : written);
    if (path === '..' || path.startsWith('../') || isAbsolute(path) || path.includes('\0')) {
      throw this.#fault(line, `the path ${written} leads out of the data set's folder, ${this.#root}`);
    }
    let folder = await this.#folderAt(posix.dirname(path), line);
    let name = posix.basename(path);
    if (folder?.entries.get(name) === LINK) {
      const target = await this.#follow(path, line);
      [folder, name] = target === null ? [null, name] : [await this.#read(dirname(target)), basename(target)];
    }
    const state = folder?.entries.get(name);
    if (folder === null || state === undefined) throw this.#missing(path, line);
    if (state === OTHER) throw this.#fault(line, `${path} is not a file`);
    if (state !== NOT_TAKEN) {
      const real = join(folder.real, name);
      const link = real === join(await this.#rootFolder(), path) ? '' : `, as ${path} is reached by a link: the file is ${real}`;
      throw this.#fault(line, `names ${path} a second time: line ${state} has it${link}`);
    }
    folder.entries.set(name, line);
    return path;
  }

  /** The folder of a path from the root on; null where it is not there. */
  async #folderAt(path: string, line: number): Promise<ListedFolder | null> {
    const known = this.#folders.get(path);
    if (known !== undefined) return known;
    const real = await realpath(join(this.#root, path)).catch(() => null);
    if (real !== null) await this.#requireWithin(real, path, line);
    const folder = real === null ? null : await this.#read(real);
    this.#folders.set(path, folder);
    return folder;
  }

  /** The folder of a path without links. */
  async #read(real: string): Promise<ListedFolder> {
    const known = this.#real.get(real);
    if (known !== undefined) return known;
    const entries = new Map<string, number>();
    for (const entry of await readdir(real, { withFileTypes: true }).catch(() => [])) {
      entries.set(entry.name, entry.isFile() ? NOT_TAKEN : entry.isSymbolicLink() ? LINK : OTHER);
    }
    const folder = { real, entries };
    this.#real.set(real, folder);
    return folder;
  }

  /** The path that a link leads to, without links; null where that is nothing. */
  async #follow(path: string, line: number): Promise<string | null> {
    const real = await realpath(join(this.#root, path)).catch(() => null);
    if (real !== null) await this.#requireWithin(real, path, line);
    return real;
  }

  async #requireWithin(real: string, path: string, line: number): Promise<void> {
    const root = await this.#rootFolder();
    if (real === root || real.startsWith(root + sep)) return;
    throw this.#fault(line, `${path} is reached by a link out of the data set's folder, to ${real}`);
  }

  async #rootFolder(): Promise<string> {
    this.#realRoot ??= await realpath(this.#root);
    return this.#realRoot;
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
