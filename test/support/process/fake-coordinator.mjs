/** Stands for the coordinator process in tests of the supervisor: ends as the name of its recipe says. */

import { exitAfterFlush } from '../../../dist/src/process/exit.js';
import { linkToParent } from '../../../dist/src/process/parent-link.js';

const { recipe } = JSON.parse(process.argv[2]);
const link = linkToParent();
const summary = { type: 'summary', file: 'summary.json', summary: { engine: 'cpu', durationSeconds: 1 } };

async function end(code, ...messages) {
  for (const message of messages) link.send(message);
  await link.sent();
  await exitAfterFlush(code);
}
const ended = (outcome) => ({ type: 'report', report: { type: 'run-ended', outcome, message: '' } });

link.onMessage((message) => {
  if (recipe === 'stubborn') return;
  void end(75, ended('stopped'), summary, { type: 'error', code: 'run.interrupted', message: message.reason, mend: null });
});
if (recipe === 'refused') await end(2, { type: 'error', code: 'transport.bind', message: 'in use', mend: null });
if (recipe !== 'stillborn') link.send({ type: 'listening', endpoint: `tcp://127.0.0.1:${process.pid}`, run: process.cwd() });
if (recipe === 'stillborn' || recipe === 'crash') await end(1);
if (recipe === 'gone') await end(2, { type: 'error', code: 'run.gone', message: 'deleted', mend: null });
if (recipe === 'done') await end(0, ended('done'), summary);
if (recipe === 'failed') await end(1, ended('failed'), summary, { type: 'error', code: 'training.notFinite', message: 'NaN', mend: null });
if (recipe === 'waited')
  await end(75, ended('failed'), summary, { type: 'error', code: 'run.interrupted', message: 'too long', mend: null });
if (recipe === 'mendable')
  await end(2, ended('failed'), summary, { type: 'error', code: 'loss.invalid', message: 'thrown', mend: 'that is mended' });
