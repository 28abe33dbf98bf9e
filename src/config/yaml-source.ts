/**
 * YAML text with the place of every value, so that a problem can be shown at its place. Owns the limits on the size
 * that a file may unfold to. Knows nothing of recipes.
 */

import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  type Pair,
  Parser,
  parseDocument,
  type YAMLMap,
} from 'yaml';
import { messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import type { Path } from './problem.js';

/** The most values that the aliases of one file may unfold to: a few lines of aliases of aliases could fill the memory. */
const ALIAS_COUNT_MAX = 200;
/** The most levels that values may be nested: the code that builds them is recursive, and would overflow the stack. */
const DEPTH_MAX = 64;

/** The key whose value is a map, or a list of maps, with entries for the map around it. */
const MERGE_KEY = '<<';

/** Line and column, from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface YamlSource {
  /** Plain maps, lists, text, numbers, booleans and nulls. Aliased values are shared: do not write to them. */
  readonly value: unknown;
  /** The places of keys that a map has twice. */
  readonly duplicates: readonly Place[];
  /** Whether the map at the end of a path has a key twice: then one of its entries is missing from `value`. */
  hasDuplicate(path: Path): boolean;
  /** The place of the value (or the key) at the end of a path; when it is not there, the place of the nearest value around it. */
  placeOf(path: Path, at: 'key' | 'value'): Place;
}

/** Parses one YAML document. `file` is for messages. Throws recipe.unreadable. */
export function parseYaml(text: string, file: string): YamlSource {
  const lines = new LineCounter();
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const unreadable = (what: string, offset: number, cause?: unknown): StillhouseError =>
    new StillhouseError('recipe.unreadable', what, { file, ...placeAt(offset), cause });

  if (isTooDeep(text, lines.addNewLine))
    throw unreadable(`this is nested more than ${DEPTH_MAX} levels deep`, lines.lineStarts.at(-1) ?? 0);
  lines.lineStarts = [];
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    resolveKnownTags: false,
    logLevel: 'error',
    merge: true,
  });
  const [broken] = [...document.errors.filter((error) => error.code !== 'DUPLICATE_KEY'), ...document.warnings];
  if (broken !== undefined) throw unreadable(`this is not valid YAML: ${broken.message}`, broken.pos[0], broken);

  return {
    value: unfold(document, (error) => unreadable(`this cannot be unfolded: ${messageOf(error)}`, 0, error)),
    duplicates: document.errors.map((error) => placeAt(error.pos[0])),
    hasDuplicate: (path) => {
      const map = document.getIn(path);
      const keys = isMap(map) ? map.items.map(({ key }) => String(key)) : [];
      return new Set(keys).size < keys.length;
    },
    placeOf: (path, at) => placeAt(offsetOf(document, path, at)),
  };
}

function unfold(document: Document.Parsed, fail: (error: unknown) => StillhouseError): unknown {
  try {
    return document.toJS({ maxAliasCount: ALIAS_COUNT_MAX }) as unknown;
  } catch (error) {
    throw fail(error);
  }
}

/** Whether the nesting passes its limit. Reads the text as the parser does (its stack is not the program's), up to that place. */
function isTooDeep(text: string, onNewLine: (offset: number) => void): boolean {
  const parser = new Parser(onNewLine);
  for (const lexeme of new Lexer().lex(text)) {
    // The tokens are not needed here, but the parser only moves on when they are taken.
    Array.from(parser.next(lexeme));
    if (parser.stack.length > DEPTH_MAX) return true;
  }
  return false;
}

/** The offset of the last part of the path that the document has. */
function offsetOf(document: Document.Parsed, path: Path, at: 'key' | 'value'): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [index, part] of path.entries()) {
    const isLast = index === path.length - 1;
    const target = isAlias(node) ? node.resolve(document) : node;
    if (isSeq(target)) {
      node = target.items[Number(part)];
      if (node === undefined) return offset;
      offset = startOf(node) ?? offset;
    } else if (isMap(target)) {
      const pair = pairOf(document, target, part);
      if (pair === undefined) return offset;
      const keyOffset = startOf(pair.key) ?? offset;
      node = pair.value;
      // An empty value has no place of its own, so its key's place is used.
      const isEmpty = node === null || (isScalar(node) && node.source === '');
      offset = isLast && at === 'value' && !isEmpty ? (startOf(node) ?? keyOffset) : keyOffset;
    } else return offset;
  }
  return offset;
}

/** The entry of a map with this key: its own, or one of the maps that it merges (`<<`). */
function pairOf(document: Document.Parsed, map: YAMLMap, key: Path[number]): Pair | undefined {
  const own = map.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
  if (own !== undefined) return own;
  const merged = map.items.flatMap((item) => (isScalar(item.key) && item.key.source === MERGE_KEY ? [item.value] : []));
  for (const value of merged.flatMap((one) => (isSeq(one) ? one.items : [one]))) {
    const source = isAlias(value) ? value.resolve(document) : value;
    const found = isMap(source) ? pairOf(document, source, key) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}
