/** The format `csv`: a folder of images, and for each part a CSV file that names the part's images and the label of each. */

import { csvColumns } from '../config/data-schema.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { readCsv } from './csv-rows.js';
import { findFile } from './data-file.js';
import { type CodedFormat, type PartSource, partsNamed } from './format.js';
import { type ImageIndex, packNames } from './image-index.js';
import { LabelTable } from './label-table.js';
import { ListedFiles } from './listed-files.js';

export const csvFormat: CodedFormat = {
  kind: 'coded',
  parts: partsNamed('the name of a CSV file in data.path, such as train for train.csv'),
  labelSets: ['fine'],
  channels: 3,
  settings: ['classes', 'csv'],
  index: indexCsv,
  async classNames(source) {
    const table = new LabelTable();
    const file = await fileOf(source);
    for await (const { label, line } of readCsv(file, columnsOf(source))) table.add(label, { file, line });
    return table.count === 0 ? null : (table.classes(source.classes).classNames ?? null);
  },
};

async function indexCsv(source: PartSource): Promise<ImageIndex> {
  const { folder, classes } = source;
  const file = await fileOf(source);
  const listed = new ListedFiles(file, folder);
  const table = new LabelTable();
  const names: Buffer[] = [];
  for await (const { path, label, line } of readCsv(file, columnsOf(source))) {
    names.push(Buffer.from(await listed.take(path, line)));
    table.add(label, { file, line });
  }
  if (names.length === 0) {
    throw new StillhouseError('data.damaged', 'names no image', { file, line: 1, hint: 'Give a line to each image, after the header' });
  }
  const places = { folder, ...packNames(names), pieces: null };
  return { source: file, ...places, count: names.length, ...table.classes(classes), leftOut: 0 };
}

function columnsOf({ csv }: PartSource) {
  return csv ?? csvColumns.parse({});
}

function fileOf({ folder, part }: PartSource): Promise<string> {
  return findFile(folder, [part.endsWith('.csv') ? part : `${part}.csv`]);
}
