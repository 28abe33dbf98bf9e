#!/usr/bin/env node
/** The command `stillhouse`: sets this checkout up when that is needed, then runs the compiled command line. */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterSetUp, packageFolder } from './setup.mjs';

await afterSetUp(() => import(pathToFileURL(join(packageFolder, 'dist/src/cli/main.js')).href));
