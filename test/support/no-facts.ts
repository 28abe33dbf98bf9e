/** Parts of messages and reports for tests that are not about them. */

import { NO_SUMS } from '../../src/base/calibration.js';

/** A report of training that says nothing of its loss. */
export const UNMEASURED_LOSS = { terms: {}, gradients: {}, sameAsTeacher: null } as const;

/** A report of a test that says nothing of the calibration. */
export const UNMEASURED_CALIBRATION = { calibration: { losses: [...NO_SUMS.losses], gaps: [...NO_SUMS.gaps], judged: 0 } };

/** An evaluation in which neither was measured. */
export const ACCURACY_ALONE = { calibration: null, training: null } as const;
