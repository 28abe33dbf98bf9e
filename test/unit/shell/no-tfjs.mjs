/** Given to node with --import: makes loading any @tensorflow module an error, however it is asked for. */

import Module, { register } from 'node:module';

register(
  `data:text/javascript,${encodeURIComponent(`
    export async function resolve(specifier, context, next) {
      if (specifier.startsWith('@tensorflow')) throw new Error('tfjs is loaded: ' + specifier);
      return next(specifier, context);
    }`)}`,
);

const resolve = Module._resolveFilename;
Module._resolveFilename = function guarded(request, ...rest) {
  if (request.startsWith('@tensorflow')) throw new Error(`tfjs is loaded: ${request}`);
  return resolve.call(this, request, ...rest);
};
