/** The format `folder`: ImageNet's layout, of any folder of images. Each sub-folder is a part, with a folder for each class. */

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { indexFolder } from './folder-index.js';
import { type CodedFormat, partsNamed } from './format.js';

export const folderFormat: CodedFormat = {
  kind: 'coded',
  parts: partsNamed('the name of a folder in data.path, such as train'),
  labelSets: ['fine'],
  channels: 3,
  index: ({ folder, part }) => indexFolder(folder, part),
  classNames: ({ folder, part }) => classFolders(join(folder, part)),
};

/** The class folders of a part, as its index has them (folder-index.ts); null where they cannot be read. */
async function classFolders(folder: string): Promise<readonly string[] | null> {
  try {
    const names: Buffer[] = [];
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue;
      const isFolder = entry.isSymbolicLink() ? (await stat(join(folder, entry.name))).isDirectory() : entry.isDirectory();
      if (isFolder) names.push(Buffer.from(entry.name));
    }
    return names.length === 0 ? null : names.sort(Buffer.compare).map(String);
  } catch {
    return null;
  }
}
