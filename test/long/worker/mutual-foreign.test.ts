/** Mutual learning over the wire of models that the package does not have, from users' modules: as in one process, to the bit. */

import { randomInt } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { describe, test } from 'vitest';
import { describeEachEngine } from '../../support/each-engine.js';
import { EngineRoom } from '../../unit/worker/engine-room.js';
import { expectSameCourse, STEP_BY_STEP, TRAINING } from '../../unit/worker/mutual-course.js';

// Read by libtensorflow when it is loaded, which is in this file's own process.
process.env.TF_ENABLE_ONEDNN_OPTS = '0';

const MODULE = fileURLToPath(new URL('../../support/random-model.mjs', import.meta.url));
/** The second one is new at every run; a failure names it. */
const DRAWS = [1, randomInt(2 ** 31)];

describeEachEngine((engine) => {
  describe.each(DRAWS)('the architectures of draw %i', (draw) => {
    const model = (offset: number) => ({ module: MODULE, options: { draw: draw + offset } });
    const stages = {
      strangers: { kind: 'mutual', ...TRAINING, peers: { one: { model: 'one' }, other: { model: 'other' }, known: { model: 'small' } } },
    };

    test('learn from each other and from one of the package', async () => {
      const room = await new EngineRoom().open(stages, { engine, models: { one: model(0), other: model(1) } });
      await expectSameCourse(room, { stage: 'strangers', peers: ['one', 'other', 'known'], ends: STEP_BY_STEP });
      await room.close();
    });
  });
});
