/**
 * Loops over the columns of matrices. Each loop reads one or more matrices of the same shape once, row by row. It uses some
 * numbers for each column, and it writes another matrix, or adds the sums of columns to vectors in memory, or both.
 * A batch of images is such a matrix: its rows are pixels, its columns are channels. All matrices are float32.
 */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { present } from '../../base/assert.js';
import { FunctionCode, i32, type Lanes, type Local, type Value } from './assembler.js';
import { BLOCKS, type Block, cutIntoBlocks, mapKeys, offsetsOf } from './column-block.js';
import { loopOn } from './loop-module.js';

const WIDTHS = [16, 4, 1] as const;
/** Bytes of one matrix in a band. All columns of a band are read before the next band; a first-level cache holds two or three. */
const BAND_BYTES = 2 ** 14;
/** The maximum of rows in a band. A sum is taken over a band and then added to the total, which makes the rounding error smaller. */
const MOST_ROWS = 512;

/** The definition of a loop. Each name stands for a matrix or a vector; its parameter is the address of the first number. */
export interface ColumnLoop<Name extends string = string> {
  /** The matrices to read. */
  readonly reads: readonly Name[];
  /** The vectors with one number for each column. */
  readonly columns: readonly Name[];
  /** The matrix to write; at most one. */
  readonly writes?: readonly Name[];
  /** The vectors of sums, with one sum for each column. */
  readonly sums?: readonly Name[];
  /** Computes the values to write and to add to each sum, from the values of `reads` and `columns`. */
  readonly compute: (values: Readonly<Record<Name, Value>>, lanes: Lanes) => Readonly<Record<string, Value>>;
}

/**
 * A loop for blocks of one width: `blocks` adjoining blocks, over `bands` times `rows` rows that are `rowStep` bytes apart.
 * At the end of a band these steps, in bytes, are added: `bandStep` to the addresses of matrices, `sumStep` to those of
 * sums, and `back` to those of the vectors in `columns`.
 */
function columnLoop<Name extends string>({ reads, columns, writes = [], sums = [], compute }: ColumnLoop<Name>, block: Block) {
  const names = [...reads, ...columns, ...writes, ...sums];
  const code = new FunctionCode<string>([...names, 'bands', 'rows', 'blocks', 'rowStep', 'bandStep', 'sumStep', 'back']);
  const addressOf = (name: string) => code.parameters[name] as Local;
  const { lanes, width } = block;
  const offsets = offsetsOf(block);
  const at = new Map([...reads, ...writes].map((name) => [name, code.variable('i32', i32.constant(0))]));
  const vectors = (list: readonly Name[]) => new Map(list.map((name) => [name, offsets.map(() => code.variable(lanes.type, lanes.zero))]));
  const known = vectors(columns);
  const totals = vectors(sums);
  const read = vectors(reads);
  const eachVector = (map: ReadonlyMap<Name, Local[]>, act: (vector: Local, name: Name, offset: number) => void) => {
    for (const [name, list] of map) for (const [i, vector] of list.entries()) act(vector, name, offsets[i] as number);
  };
  const stepOf = (name: Name) => (at.has(name) ? 'bandStep' : totals.has(name) ? 'sumStep' : 'back');
  const computeVector = (i: number, offset: number) => {
    for (const [name, list] of read) code.set(list[i] as Local, lanes.load(at.get(name) as Local, offset));
    const values = Object.fromEntries([...read, ...known].map(([name, list]) => [name, list[i]])) as Record<Name, Local>;
    const results = compute(values, lanes);
    for (const name of writes) code.store(lanes, { address: at.get(name) as Local, offset, value: present(results[name], name) });
    for (const [name, list] of totals) code.set(list[i] as Local, lanes.add(list[i] as Local, present(results[name], name)));
  };
  const computeBlock = () => {
    for (const [name, place] of at) code.set(place, addressOf(name));
    eachVector(known, (vector, name, offset) => code.set(vector, lanes.load(addressOf(name), offset)));
    eachVector(totals, (vector) => code.set(vector, lanes.zero));
    code.repeat(addressOf('rows'), () => {
      offsets.forEach((offset, i) => {
        computeVector(i, offset);
      });
      for (const place of at.values()) code.advance(place, addressOf('rowStep'));
    });
    eachVector(totals, (vector, name, offset) => {
      const address = addressOf(name);
      code.store(lanes, { address, offset, value: lanes.add(lanes.load(address, offset), vector) });
    });
    for (const name of names) code.advance(addressOf(name), i32.constant(4 * width));
  };
  code.repeat(addressOf('bands'), () => {
    code.repeat(addressOf('blocks'), computeBlock);
    for (const name of names) code.advance(addressOf(name), addressOf(stepOf(name)));
  });
  return code;
}

/** The size of the matrices. */
export interface MatrixSize {
  readonly rows: number;
  readonly columns: number;
  /** The number of rows in each sum; the sums are then a matrix with a row for each group of rows. All rows when left out. */
  readonly rowsPerSum?: number;
}

/** Makes a function that runs the loop over all rows and columns of matrices, given by their addresses in bytes. */
export function columnLoopOn<Name extends string>(loop: ColumnLoop<Name>) {
  const loops = mapKeys(WIDTHS, (width) => loopOn(() => columnLoop(loop, BLOCKS[width])));
  const { reads, columns: known, writes = [], sums = [] } = loop;
  return (backend: BackendWasm, addresses: Readonly<Record<Name, number>>, { rows, columns, rowsPerSum }: MatrixSize): void => {
    const rowStep = 4 * columns;
    const most = rowsPerSum ?? Math.max(1, Math.min(MOST_ROWS, Math.floor(BAND_BYTES / rowStep)));
    for (const { width, start, blocks } of cutIntoBlocks(columns, WIDTHS)) {
      const run = loops[width](backend);
      const back = -4 * width * blocks;
      const runBands = (bands: number, bandRows: number, first: number) => {
        const given: Record<string, number> = { bands, rows: bandRows, blocks, rowStep, back };
        given.bandStep = bandRows * rowStep + back;
        given.sumStep = rowsPerSum === undefined ? back : back + rowStep;
        for (const name of reads) given[name] = addresses[name] + 4 * start + first * rowStep;
        for (const name of writes) given[name] = addresses[name] + 4 * start + first * rowStep;
        for (const name of known) given[name] = addresses[name] + 4 * start;
        for (const name of sums) given[name] = addresses[name] + 4 * start;
        run(given);
      };
      const bands = Math.floor(rows / most);
      if (bands > 0) runBands(bands, most, 0);
      if (bands * most < rows) runBands(1, rows - bands * most, bands * most);
    }
  };
}
