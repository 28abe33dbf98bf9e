/** A child that starts a child of its own, the one that its argument names, and tells the test its process id. */

import { startChild } from '../../../dist/src/process/child.js';
import { linkToParent } from '../../../dist/src/process/parent-link.js';

const link = linkToParent();
const child = startChild({ module: `../test/support/process/${process.argv[2]}`, args: [] });
child.onMessage((message) => link?.send({ type: 'ready', pid: message.pid }));
