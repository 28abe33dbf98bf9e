/** `npm run demo`: a whole run on real images. Arguments are passed on to `stillhouse run`. */

import { join } from 'node:path';
import { packageFolder } from './setup.mjs';

process.argv = [...process.argv.slice(0, 2), 'run', join(packageFolder, 'deploy/recipes/demo.yaml'), ...process.argv.slice(2)];
await import('./stillhouse.mjs');
