/**
 * A disk in memory that knows what was synced: after a crash it can be looked at as a killed process leaves it (all
 * that was written is there) or as a power cut may leave it (what was not synced is gone). It can crash or fail at any
 * call.
 */

import { basename, dirname } from 'node:path';
import type { FileSystem, ReadableFile, WritableFile } from '../../../src/checkpoint/file-system.js';

interface FileNode {
  readonly kind: 'file';
  bytes: Uint8Array;
  synced: Uint8Array;
}
interface FolderNode {
  readonly kind: 'folder';
  entries: Map<string, Node>;
  synced: Map<string, Node>;
}
type Node = FileNode | FolderNode;

export type Call =
  | 'makeFolder'
  | 'addFolder'
  | 'listFolder'
  | 'syncFolder'
  | 'create'
  | 'append'
  | 'open'
  | 'rename'
  | 'remove'
  | 'write'
  | 'sync'
  | 'read'
  | 'close';

/** Decides what happens at the n-th call, from 1: null for nothing, an error to throw. */
export type Fault = (n: number, call: Call, path: string) => Error | null;

export const systemError = (code: string): Error => Object.assign(new Error(`${code}: injected`), { code });

const folder = (): FolderNode => ({ kind: 'folder', entries: new Map(), synced: new Map() });
const concat = (a: Uint8Array, b: Uint8Array): Uint8Array => Uint8Array.from([...a, ...b]);

export class MemoryDisk implements FileSystem {
  #root = folder();
  #fault: Fault = () => null;
  /** Half of a write reaches the disk before the fault. */
  #tear = false;
  calls = 0;
  readonly trace: string[] = [];

  inject(fault: Fault, options: { tear?: boolean } = {}): void {
    this.calls = 0;
    this.trace.length = 0;
    this.#fault = fault;
    this.#tear = options.tear ?? false;
  }

  /** Faults end; with `powerCut` everything that was not synced is gone. */
  restart(options: { powerCut: boolean }): void {
    this.#fault = () => null;
    if (options.powerCut) this.#root = survivor(this.#root);
  }

  /** The bytes of a file, to look at or to damage. */
  file(path: string): FileNode {
    const node = this.#find(path);
    if (node.kind !== 'file') throw systemError('EISDIR');
    return node;
  }

  async makeFolder(path: string): Promise<void> {
    this.#enter('makeFolder', path);
    let node = this.#root;
    for (const name of path.split('/').filter(Boolean)) {
      const next = node.entries.get(name) ?? folder();
      node.entries.set(name, next);
      if (next.kind !== 'folder') throw systemError('ENOTDIR');
      node = next;
    }
  }

  async addFolder(path: string): Promise<void> {
    this.#enter('addFolder', path);
    const { entries } = this.#folder(dirname(path));
    const there = entries.get(basename(path)) ?? folder();
    if (there.kind !== 'folder') throw systemError('EEXIST');
    entries.set(basename(path), there);
  }

  async listFolder(path: string): Promise<readonly string[]> {
    this.#enter('listFolder', path);
    return [...this.#folder(path).entries.keys()];
  }

  async syncFolder(path: string): Promise<void> {
    this.#enter('syncFolder', path);
    const node = this.#folder(path);
    node.synced = new Map(node.entries);
  }

  async create(path: string): Promise<WritableFile> {
    this.#enter('create', path);
    const parent = this.#folder(dirname(path));
    if (parent.entries.has(basename(path))) throw systemError('EEXIST');
    const node: FileNode = { kind: 'file', bytes: new Uint8Array(0), synced: new Uint8Array(0) };
    parent.entries.set(basename(path), node);
    return this.#writable(path, node);
  }

  async append(path: string): Promise<WritableFile> {
    this.#enter('append', path);
    return this.#writable(path, this.file(path));
  }

  #writable(path: string, node: FileNode): WritableFile {
    return {
      write: async (bytes) => {
        try {
          this.#enter('write', path);
        } catch (error) {
          if (this.#tear) node.bytes = concat(node.bytes, bytes.subarray(0, bytes.byteLength / 2));
          throw error;
        }
        node.bytes = concat(node.bytes, bytes);
      },
      sync: async () => {
        this.#enter('sync', path);
        node.synced = node.bytes;
      },
      close: async () => this.#enter('close', path),
    };
  }

  async open(path: string): Promise<ReadableFile> {
    this.#enter('open', path);
    const { bytes } = this.file(path);
    let place = 0;
    const readAt = (into: Uint8Array, position: number): number => {
      this.#enter('read', path);
      const part = bytes.subarray(position, position + into.byteLength);
      into.set(part);
      return part.byteLength;
    };
    return {
      size: bytes.byteLength,
      read: async (into) => {
        const count = readAt(into, place);
        place += count;
        return count;
      },
      readAt: async (into, position) => readAt(into, position),
      close: async () => this.#enter('close', path),
    };
  }

  async rename(from: string, to: string): Promise<void> {
    this.#enter('rename', from);
    const node = this.#find(from);
    const target = this.#folder(dirname(to)).entries.get(basename(to));
    if (target?.kind === 'folder' && target.entries.size > 0) throw systemError('ENOTEMPTY');
    this.#folder(dirname(from)).entries.delete(basename(from));
    this.#folder(dirname(to)).entries.set(basename(to), node);
  }

  async remove(path: string): Promise<void> {
    this.#enter('remove', path);
    this.#folder(dirname(path)).entries.delete(basename(path));
  }

  #enter(call: Call, path: string): void {
    this.calls += 1;
    this.trace.push(`${call} ${path}`);
    const error = this.#fault(this.calls, call, path);
    if (error !== null) throw error;
  }

  #find(path: string): Node {
    let node: Node = this.#root;
    for (const name of path.split('/').filter(Boolean)) {
      const next: Node | undefined = node.kind === 'folder' ? node.entries.get(name) : undefined;
      if (next === undefined) throw systemError('ENOENT');
      node = next;
    }
    return node;
  }

  #folder(path: string): FolderNode {
    const node = this.#find(path);
    if (node.kind !== 'folder') throw systemError('ENOTDIR');
    return node;
  }
}

/** The synced part. A name that was synced keeps its node; the node has only what was synced of it. */
function survivor(node: FolderNode): FolderNode {
  const entries = new Map<string, Node>();
  for (const [name, child] of node.synced) {
    if (child.kind === 'folder') entries.set(name, survivor(child));
    else entries.set(name, { kind: 'file', bytes: child.synced, synced: child.synced });
  }
  return { kind: 'folder', entries, synced: new Map(entries) };
}
