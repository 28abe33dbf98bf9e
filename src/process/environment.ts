/** The environment of this process, for libraries that read it for themselves. */

/** Sets a variable that the user has not set. Native code that is loaded after this sees it. */
export function setDefaultVariable(name: string, value: string): void {
  process.env[name] ??= value;
}
