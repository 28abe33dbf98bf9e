/** Tar archives for tests, as plain as they can be. */

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface TarEntry {
  readonly name: string;
  readonly content: Uint8Array | string;
  /** A file, if not said otherwise. */
  readonly type?: string;
}

/** The header block of a member, in ustar's layout; of sizes from 8 GiB on, in GNU's. */
export function tarHeader({ name, size, type = '0' }: { readonly name: string; readonly size: number; readonly type?: string }): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0, 100);
  block.write('0000644\0', 100);
  if (size < 2 ** 33) block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  else block.write(`80${BigInt(size).toString(16).padStart(22, '0')}`, 124, 'hex');
  block.write(' '.repeat(8), 148);
  block.write(type, 156);
  block.write('ustar\x0000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** An archive of members in this order, with the mark of its end. */
export function tarBytes(entries: readonly TarEntry[], end = 1024): Buffer {
  const blocks = entries.flatMap(({ name, content, type = '0' }) => {
    const bytes = Buffer.from(content);
    return [tarHeader({ name, size: bytes.length, type }), bytes, Buffer.alloc(-bytes.length & 511)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(end)]);
}

/** A part of a folder of images as shards of WebDataset, the numbers of its classes as cls; `perShard` samples in each. */
export async function writeShards(folder: string, part: string, perShard: number): Promise<void> {
  const classes = (await readdir(join(folder, part))).sort();
  const samples: TarEntry[][] = [];
  for (const [label, name] of classes.entries()) {
    for (const image of (await readdir(join(folder, part, name))).sort()) {
      const key = `${name}-${image.replace('.jpg', '')}`;
      samples.push([
        { name: `${key}.cls`, content: String(label) },
        { name: `${key}.jpg`, content: await readFile(join(folder, part, name, image)) },
      ]);
    }
  }
  for (let from = 0, shard = 0; from < samples.length; from += perShard, shard++) {
    const file = join(folder, `${part}-${String(shard).padStart(3, '0')}.tar`);
    await writeFile(file, tarBytes(samples.slice(from, from + perShard).flat()));
  }
}
