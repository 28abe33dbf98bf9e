/** A child that starts a child of its own and tells the test its process id. */

import { startChild } from '../../../dist/src/process/child.js';
import { linkToParent } from '../../../dist/src/process/parent-link.js';

const link = linkToParent();
const child = startChild({ module: '../test/support/process/echo-child.mjs', args: [] });
child.onMessage((message) => link?.send({ type: 'ready', pid: message.pid }));
