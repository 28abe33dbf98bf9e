/**
 * The images of a folder: the layout of ImageNet, a folder for each class. The order is that of torchvision's ImageFolder: classes by the bytes of
 * their names; the images of a class by the bytes of their folder's path, then of their own name. It opens no image.
 */

import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { hasCode, StillhouseError } from '../errors/stillhouse-error.js';
import { unreadable } from './data-file.js';
import { type ImageIndex, packNames, shareLabels } from './image-index.js';

/** The ends of names that are read. The content decides which of the two it is. */
const IMAGE = /\.(jpe?g|png)$/i;

/** The index of a part of the data set in `root`. Throws data.missing, and data.damaged about a folder or file that breaks the layout. */
export async function indexFolder(root: string, part: string): Promise<ImageIndex> {
  const folder = join(root, part);
  const roots = [root, folder].map((allowed) => realpath(allowed).catch(() => allowed));
  const walk = new Walk(await Promise.all(roots));
  const classNames = await classFoldersOf(walk, { root, folder });
  const names: Buffer[] = [];
  const labels: number[] = [];
  for (const [label, name] of classNames.entries()) {
    const leftOutBefore = walk.leftOut;
    const found = await walk.imagesOf(folder, name);
    if (found.length === 0) throw emptyClass(join(folder, name), walk.leftOut - leftOutBefore);
    for (const { within, own } of found.sort(byFolder)) {
      names.push(Buffer.concat([within, SLASH, own]));
      labels.push(label);
    }
  }
  const [count, classes] = [names.length, classNames.length];
  const places = { folder, ...packNames(names), pieces: null };
  return { source: folder, ...places, count, classes, classNames, labels: shareLabels(labels), leftOut: walk.leftOut };
}

/** The names of the class folders of a part, in order. Throws as {@link indexFolder} does. */
async function classFoldersOf(
  walk: Walk,
  { root, folder }: { readonly root: string; readonly folder: string },
): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true, encoding: 'buffer' }).catch(async (error: unknown) => {
    if (!hasCode(error, 'ENOENT') && !hasCode(error, 'ENOTDIR')) throw unreadable(folder, error);
    const there = await readdir(root, { withFileTypes: true }).catch(() => null);
    const folders = (there ?? []).flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).slice(0, 8);
    const what =
      there === null
        ? 'no such folder'
        : `there is no folder of this part${folders.length === 0 ? '' : `; there is ${folders.join(', ')}`}`;
    throw new StillhouseError('data.missing', what, {
      file: there === null ? root : folder,
      hint: 'A data set of the format folder has a folder for each part, such as train and val, with a folder for each class: change data.path, or the part of the split',
    });
  });
  const classes: Buffer[] = [];
  for (const entry of entries) {
    const kind = await walk.kindOf(folder, entry);
    if (kind === 'folder') classes.push(entry.name);
    else if (kind === 'image') {
      throw broken(
        join(folder, walk.nameOf(folder, entry.name)),
        'is an image outside of the class folders',
        'Move it into the folder of its class',
      );
    }
  }
  const names = classes.sort(Buffer.compare).map((name) => walk.nameOf(folder, name));
  if (names.length >= 2) return names;
  const what =
    names.length === 0 ? 'has no class folders' : `has one class folder, ${names[0]}, and a model tells two or more classes apart`;
  throw broken(folder, what, 'Each class has a folder of its own, as in train/CLASS/IMAGE.jpg');
}

type Kind = 'folder' | 'image' | 'other';

/** The name of an image's file, and the path of its folder from that of the part on. */
interface FoundImage {
  readonly within: Buffer;
  readonly own: Buffer;
}

const SLASH = Buffer.from('/');

function byFolder(a: FoundImage, b: FoundImage): number {
  return a.within === b.within ? Buffer.compare(a.own, b.own) : Buffer.compare(a.within, b.within);
}

class Walk {
  /** The files that are left out so far. */
  leftOut = 0;
  readonly #roots: readonly string[];

  /** `roots`: the real paths of the folders that no link may leave. */
  constructor(roots: readonly string[]) {
    this.#roots = roots;
  }

  /** The images of a class folder of the part's folder `base`. */
  async imagesOf(base: string, name: string): Promise<FoundImage[]> {
    const found: FoundImage[] = [];
    await this.#collect(base, name, { found, had: new Map() });
    return found;
  }

  /** `had`: by its real path, the first path of each folder of the class, so that links can neither lead round in a ring nor multiply its images. */
  async #collect(base: string, name: string, to: { readonly found: FoundImage[]; readonly had: Map<string, string> }): Promise<void> {
    const folder = join(base, name);
    const real = await realpath(folder).catch((error: unknown) => {
      throw unreadable(folder, error);
    });
    const before = to.had.get(real);
    if (before !== undefined) {
      throw broken(folder, `is the same folder as ${before}, of the same class`, 'Delete the link that leads to it a second time');
    }
    to.had.set(real, folder);
    const entries = await readdir(folder, { withFileTypes: true, encoding: 'buffer' }).catch((error: unknown) => {
      throw unreadable(folder, error);
    });
    const within = Buffer.from(name);
    for (const entry of entries) {
      const kind = await this.kindOf(folder, entry);
      if (kind === 'other') continue;
      const own = this.nameOf(folder, entry.name);
      if (kind === 'folder') await this.#collect(base, `${name}/${own}`, to);
      else to.found.push({ within, own: entry.name });
    }
  }

  /** The kind of an entry; of a link, that of what it leads to. Names that begin with a point are nothing of the data set's. */
  async kindOf(folder: string, entry: Dirent<Buffer>): Promise<Kind> {
    if (entry.name[0] === 0x2e) return 'other';
    const [isFolder, isFile] = entry.isSymbolicLink() ? await this.#follow(folder, entry.name) : [entry.isDirectory(), entry.isFile()];
    if (isFolder) return 'folder';
    if (isFile && IMAGE.test(entry.name.toString('latin1'))) return 'image';
    this.leftOut += 1;
    return 'other';
  }

  /** The name as text. Throws data.damaged when it is not UTF-8: it could not be found again by its name. */
  nameOf(folder: string, name: Buffer): string {
    const text = name.toString('utf8');
    if (Buffer.from(text).equals(name)) return text;
    throw broken(join(folder, text), 'has a name that is not UTF-8', 'Give it another name');
  }

  /** Whether a link leads to a folder, and whether to a file. */
  async #follow(folder: string, name: Buffer): Promise<readonly [boolean, boolean]> {
    const link = join(folder, this.nameOf(folder, name));
    const target = await realpath(link).catch(() => null);
    if (target === null) throw broken(link, 'is a link to nothing', 'Delete it, or put back what it leads to');
    if (!this.#roots.some((root) => target.startsWith(root + sep))) {
      throw broken(
        link,
        `is a link out of the data set's folder, to ${target}`,
        'Put the files themselves there, or set data.path to the folder that has both',
      );
    }
    const found = await stat(target);
    return [found.isDirectory(), found.isFile()];
  }
}

function emptyClass(folder: string, leftOut: number): StillhouseError {
  const others = leftOut === 0 ? '' : `; ${leftOut} files have names that do not end in .jpg, .jpeg or .png`;
  return broken(folder, `this class folder has no image${others}`, 'Copy its images again, or delete the folder in all parts');
}

function broken(file: string, what: string, hint: string): StillhouseError {
  return new StillhouseError('data.damaged', what, { file, hint });
}
