/** Takes the lock of the file that its argument names when it is told to, says what came of it, and stays. */

import { takeLock } from '../../../dist/src/native/lock.js';
import { linkToParent } from '../../../dist/src/process/parent-link.js';

const link = linkToParent();
link.onMessage(async () => link.send({ type: 'answered', holder: await takeLock(process.argv[2]) }));
link.send({ type: 'ready' });
