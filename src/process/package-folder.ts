/**
 * The folders of the program on disk. The compiled files are in `dist`, in the same folders as their sources. So this
 * file finds the package's folder from its own address, when it is compiled (dist/src/process) and when the tests run it
 * from the sources.
 */

import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const runsFromSource = import.meta.url.endsWith('.ts');

/** The folder of package.json. */
export const packageFolder = resolve(fileURLToPath(new URL(runsFromSource ? '../..' : '../../..', import.meta.url)));

/** The folder of the compiled program. */
export const distFolder = join(packageFolder, 'dist');
