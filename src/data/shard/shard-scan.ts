/** The samples of a tar shard, as WebDataset has them: members one after the other whose names are the same up to the first point. */

import type { StillhouseError } from '../../errors/stillhouse-error.js';
import { CODED_BYTES_MAX } from '../image/rgb-image.js';
import { TarFile, type TarMember } from './tar-members.js';

/** The samples of a shard, in its order. */
export interface ShardSamples {
  /** [N]: the byte of the shard where each image begins. */
  readonly starts: Float64Array;
  /** [N]: the bytes of each image. */
  readonly lengths: Int32Array;
  /** [N]: the place of each sample's label in `texts`. */
  readonly labels: Int32Array;
  /** The labels as they are written, each once. */
  readonly texts: readonly string[];
  /** The byte of the shard where each of `texts` is first. */
  readonly places: readonly number[];
}

export interface ScanOptions {
  /** The file to read. */
  readonly path: string;
  /** The shard's name for messages. */
  readonly name: string;
  /** The key of a label within a sample's json; null: its cls, or else its json's {@link LABEL_KEY}. */
  readonly key: string | null;
}

/** The key of a label within a sample's json, where the recipe does not say it. */
export const LABEL_KEY = 'label';
const IMAGES = ['jpg', 'jpeg', 'png'];
/** A longer label counts as broken. */
const LABEL_BYTES_MAX = 1024 * 1024;

/** Reads a shard's headers and labels, and no image. Throws data.missing and data.damaged. */
export async function scanShard({ path, name, key }: ScanOptions): Promise<ShardSamples> {
  const tar = await TarFile.open(path, name);
  try {
    const scan = new Scan(tar, key);
    for await (const member of tar.members()) await scan.add(member);
    return scan.end();
  } finally {
    await tar.close();
  }
}

interface OpenSample {
  readonly key: string;
  /** The byte where its first header begins. */
  readonly header: number;
  readonly extensions: string[];
  image: TarMember | null;
  cls: Written | null;
  json: Written | null;
}

/** Text in the shard, from a byte on. */
interface Written {
  readonly text: string;
  readonly place: number;
}

class Scan {
  readonly #tar: TarFile;
  readonly #key: string | null;
  readonly #had = new Set<string>();
  readonly #starts: number[] = [];
  readonly #lengths: number[] = [];
  readonly #labels: number[] = [];
  readonly #texts = new Map<string, { readonly number: number; readonly place: number }>();
  #sample: OpenSample | null = null;

  constructor(tar: TarFile, key: string | null) {
    this.#tar = tar;
    this.#key = key;
  }

  async add(member: TarMember): Promise<void> {
    // The folder belongs to the key; names that begin with a point, or have none, are of no sample.
    const [, key, written] = /^((?:.*\/)?[^./]+)\.([^/]*)$/s.exec(member.name) ?? [];
    if (key === undefined || written === undefined) return;
    if (!member.isFile) throw this.#tar.fault(member.header, `member ${member.name} is a link, or no file: put the file itself there`);
    const sample = this.#sampleOf(key, member);
    const extension = written.toLowerCase();
    if (sample.extensions.includes(extension)) throw this.#tar.fault(member.header, `member ${member.name} is there twice`);
    sample.extensions.push(extension);
    if (IMAGES.includes(extension)) this.#addImage(sample, member);
    else if (extension === 'cls' || extension === 'json') sample[extension] = await this.#read(member);
  }

  end(): ShardSamples {
    this.#finish();
    return {
      starts: Float64Array.from(this.#starts),
      lengths: Int32Array.from(this.#lengths),
      labels: Int32Array.from(this.#labels),
      texts: [...this.#texts.keys()],
      places: Array.from(this.#texts.values(), ({ place }) => place),
    };
  }

  #sampleOf(key: string, { header }: TarMember): OpenSample {
    if (this.#sample?.key === key) return this.#sample;
    this.#finish();
    if (this.#had.has(key)) {
      throw this.#tar.fault(
        header,
        `the sample ${key} is there a second time: members of a sample stand one after the other, and keys differ`,
      );
    }
    this.#had.add(key);
    this.#sample = { key, header, extensions: [], image: null, cls: null, json: null };
    return this.#sample;
  }

  #addImage(sample: OpenSample, member: TarMember): void {
    if (sample.image !== null) throw this.#tar.fault(member.header, `the sample ${sample.key} has two images`);
    if (member.size === 0) throw this.#tar.fault(member.start, `member ${member.name} is empty`);
    if (member.size > CODED_BYTES_MAX) {
      throw this.#tar.fault(member.start, `member ${member.name} has ${member.size} bytes, more than an image may have`);
    }
    sample.image = member;
  }

  async #read({ name, start, size }: TarMember): Promise<Written> {
    if (size > LABEL_BYTES_MAX) throw this.#tar.fault(start, `member ${name} has ${size} bytes, more than a label may have`);
    return { text: (await this.#tar.read(start, size)).toString('utf8'), place: start };
  }

  #finish(): void {
    const sample = this.#sample;
    if (sample === null) return;
    this.#sample = null;
    if (sample.image === null) throw this.#lacks(sample, 'no image .jpg, .jpeg or .png');
    const { text, place } = this.#labelOf(sample);
    const known = this.#texts.get(text) ?? { number: this.#texts.size, place };
    this.#texts.set(text, known);
    this.#starts.push(sample.image.start);
    this.#lengths.push(sample.image.size);
    this.#labels.push(known.number);
  }

  #labelOf(sample: OpenSample): Written {
    const { cls, json, key } = sample;
    if (this.#key === null && cls !== null) {
      const text = cls.text.trim();
      if (/^\d{1,9}$/.test(text)) return { text: String(Number(text)), place: cls.place };
      throw this.#tar.fault(cls.place, `the label ${JSON.stringify(text.slice(0, 64))} of the sample ${key} is no whole number from 0`);
    }
    if (json === null) throw this.#lacks(sample, this.#key === null ? 'no label .cls or .json' : 'no .json');
    const wanted = this.#key ?? LABEL_KEY;
    const found = valueIn(json.text, wanted, (what) => this.#tar.fault(json.place, `the json of the sample ${key} ${what}`));
    if (typeof found === 'string' && found.trim() !== '') return { text: found.trim(), place: json.place };
    if (typeof found === 'number' && Number.isSafeInteger(found) && found >= 0) return { text: String(found), place: json.place };
    throw this.#tar.fault(
      json.place,
      `the label ${JSON.stringify(found)?.slice(0, 64)} of the sample ${key} is no whole number from 0, and no name`,
    );
  }

  #lacks({ key, header, extensions }: OpenSample, what: string): StillhouseError {
    return this.#tar.fault(header, `the sample ${key} has ${what}; it has ${extensions.map((extension) => `.${extension}`).join(', ')}`);
  }
}

function valueIn(text: string, key: string, fault: (what: string) => StillhouseError): unknown {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw fault('cannot be read as JSON');
  }
  if (typeof content !== 'object' || content === null || !Object.hasOwn(content, key)) {
    const keys = typeof content === 'object' && content !== null ? Object.keys(content).slice(0, 16) : [];
    throw fault(`has no key ${key}${keys.length === 0 ? '' : `; it has ${keys.join(', ')}`}`);
  }
  return (content as Record<string, unknown>)[key];
}
