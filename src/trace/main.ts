/**
 * The process that writes a stage's training step as a graph into files, for `stillhouse engine trace`. It is a process of its
 * own because native code needs its environment before it is loaded, and may end its process.
 */

import { present } from '../base/assert.js';
import { parseRecipe } from '../config/load.js';
import { type PeerName, peerRecipe, spellPeer } from '../config/peer.js';
import type { PeerRecipe } from '../config/schema.js';
import { openEngine } from '../engines/catalogue.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { EXIT } from '../errors/table.js';
import { buildModel } from '../nn/build.js';
import { exitNow } from '../process/exit.js';
import { linkToParent } from '../process/parent-link.js';
import { loadTraining } from '../step/load-training.js';
import { TraceRefusal } from './refusal.js';
import type { TraceAnswer, TraceRequest } from './trace-request.js';
import { writeTrace } from './write-trace.js';

async function write({ recipe: json, model: name, inputShape, classes, splitSizes, folder }: TraceRequest): Promise<TraceAnswer> {
  const recipe = parseRecipe(json);
  const { models, seed, engine } = recipe;
  await openEngine('tensorflow');
  const trainedBy = (peer: PeerName): PeerRecipe => {
    const trained = peerRecipe(recipe, peer);
    if (trained === null) throw new TraceRefusal(`the model ${spellPeer(peer)} is from outside the run, and its layers are not known here`);
    return trained;
  };
  const build = ({ model }: PeerRecipe) => buildModel(present(models[model], `model ${model}`), { inputShape, classes, seed });
  const buildTeacher = (teacher: PeerName) => build(trainedBy(teacher));
  const stage = trainedBy(name);
  const model = await build(stage);
  const training = await loadTraining(stage, { model, seed, samples: splitSizes[stage.on], buildTeacher });
  return { type: 'written', ...writeTrace({ model, training, inputShape, precision: engine.precision, folder }) };
}

function failure(error: unknown): TraceAnswer {
  if (error instanceof TraceRefusal) return { type: 'failed', code: 'trace.refused', message: error.message };
  if (error instanceof StillhouseError) return { type: 'failed', code: error.code, message: error.message };
  throw error;
}

const link = linkToParent<never, TraceAnswer>();
if (link === null) {
  console.error('A trace is written by a command: see stillhouse engine trace --help');
  exitNow(EXIT.usage);
}
link.send(await write(JSON.parse(process.argv[2] ?? '') as TraceRequest).catch(failure));
await link.sent();
exitNow(EXIT.done);
