/** The rows of a CSV file with a header: the fields of two columns, by their names. RFC 4180, with or without UTF-8's byte order mark. */

import { createReadStream } from 'node:fs';
import { CsvError, parse } from 'csv-parse';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { unreadable } from './data-file.js';

export interface CsvColumns {
  readonly path: string;
  readonly label: string;
}

export interface CsvRow extends CsvColumns {
  /** From 1; the header is in line 1. The last one of a row that has several. */
  readonly line: number;
}

interface CsvPlace {
  readonly file: string;
  readonly line: number;
}

/** A longer row counts as a quote that is not closed. */
const ROW_BYTES_MAX = 1024 * 1024;

/** The rows after the header. Throws data.missing, and data.damaged with the line. Spaces around fields are left out, and empty lines. */
export async function* readCsv(file: string, columns: CsvColumns): AsyncGenerator<CsvRow> {
  const source = createReadStream(file);
  const parser = parse({
    ...{ bom: true, info: true, relax_column_count: true, skip_empty_lines: true, trim: true },
    ...{ record_delimiter: ['\r\n', '\n', '\r'], max_record_size: ROW_BYTES_MAX },
  });
  source.on('error', (error) => parser.destroy(unreadable(file, error)));
  try {
    let header: Header | null = null;
    for await (const { record, info } of source.pipe(parser) as AsyncIterable<Parsed>) {
      const line = info.lines;
      const broken = record.find((field) => field.includes('\ufffd'));
      if (broken !== undefined) throw csvFault({ file, line }, `${JSON.stringify(broken)} is not UTF-8`);
      if (header === null) header = readHeader(file, record, { columns, line });
      else {
        if (record.length !== header.width) throw csvFault({ file, line }, `has ${record.length} fields, and the header ${header.width}`);
        yield { path: record[header.path]!, label: record[header.label]!, line };
      }
    }
    if (header === null) throw csvFault({ file, line: 1 }, 'is empty');
  } catch (error) {
    if (error instanceof CsvError) throw csvFault({ file, line: typeof error.lines === 'number' ? error.lines : 1 }, error.message);
    throw error;
  } finally {
    source.destroy();
    parser.destroy();
  }
}

interface Parsed {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

/** The places of the columns in a row of so many fields. */
interface Header {
  readonly width: number;
  readonly path: number;
  readonly label: number;
}

function readHeader(
  file: string,
  names: readonly string[],
  { columns, line }: { readonly columns: CsvColumns; readonly line: number },
): Header {
  const placeOf = (key: keyof CsvColumns): number => {
    const wanted = columns[key];
    const place = names.indexOf(wanted);
    const hint = `The first line names the columns, with commas between them; say in the recipe which they are, as in csv: { path: file, label: class }`;
    if (place < 0) throw csvFault({ file, line }, `has no column ${wanted}; it has ${names.join(', ')}`, hint);
    if (names.indexOf(wanted, place + 1) >= 0) throw csvFault({ file, line }, `has two columns ${wanted}`, hint);
    return place;
  };
  return { width: names.length, path: placeOf('path'), label: placeOf('label') };
}

function csvFault(place: CsvPlace, what: string, hint = 'Mend the line'): StillhouseError {
  return new StillhouseError('data.damaged', what, { ...place, hint });
}
