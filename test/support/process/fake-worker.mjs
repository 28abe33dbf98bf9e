/** Stands for a worker in tests of the supervisor: ends as its name says ("exit-3-a"), or stays until it is told to stop. */

import { exitNow } from '../../../dist/src/process/exit.js';
import { linkToParent } from '../../../dist/src/process/parent-link.js';

const { name } = JSON.parse(process.argv[2]);
const link = linkToParent();
link.onMessage(() => {
  if (!name.startsWith('deaf')) exitNow(0);
});
const [, code] = /^exit-(\d+)/.exec(name) ?? [];
if (code !== undefined) exitNow(Number(code));
