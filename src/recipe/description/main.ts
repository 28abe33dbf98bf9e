/** A process that builds one model and sends its description to its parent. A user's module may print, throw, end the process or hang. */

import { openEngine } from '../../engines/catalogue.js';
import { StillhouseError } from '../../errors/stillhouse-error.js';
import { EXIT } from '../../errors/table.js';
import { buildModel } from '../../nn/build.js';
import { contractFault } from '../../nn/contract.js';
import { summaryOf } from '../../nn/model-summary.js';
import { openSavedModel } from '../../nn/saved-model.js';
import { exitNow } from '../../process/exit.js';
import { linkToParent } from '../../process/parent-link.js';
import { watchParent } from '../../process/parent-watch.js';
import type { DescriptionAnswer, DescriptionRequest } from './describe-model.js';

async function describe({ origin, inputShape, classes }: DescriptionRequest): Promise<DescriptionAnswer> {
  await openEngine('cpu');
  const model = origin.of === 'file' ? await openSavedModel(origin.path) : await buildModel(origin.spec, { inputShape, classes, seed: 1 });
  return {
    ...{ type: 'described', ...summaryOf(model) },
    inputShape: model.inputs[0]?.shape.slice(1) ?? [],
    classes: model.outputs[0]?.shape.at(-1) ?? null,
    unfit: origin.of === 'file' ? contractFault(model, origin.path) : null,
  };
}

function failure(error: unknown): DescriptionAnswer {
  if (error instanceof StillhouseError) return { type: 'failed', code: error.code, message: error.message };
  throw error;
}

const link = linkToParent<never, DescriptionAnswer>();
if (link === null) {
  console.error('Models are described by a command: see stillhouse model --help');
  exitNow(EXIT.usage);
}
// A module that hangs must not outlive the command.
watchParent((error) => console.error(error));
link.send(await describe(JSON.parse(process.argv[2] ?? '') as DescriptionRequest).catch(failure));
await link.sent();
exitNow(EXIT.done);
