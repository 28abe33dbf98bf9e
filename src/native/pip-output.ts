/** Reads what pip says: where a file lies, why it found none, how it is configured. Pure. */

export interface FileAddress {
  readonly url: string;
  /** Hexadecimal; null where the index does not tell. */
  readonly sha256: string | null;
}

/** Of a line that `pip -vv` writes for each file of an index: the address of the file of this name, or null. */
export function readAddress(line: string, fileName: string): FileAddress | null {
  const link = /^\s*Found link (\S+)/.exec(line)?.[1];
  if (link === undefined) return null;
  const [url = '', fragment = ''] = link.split('#', 2);
  if (decodeURIComponent(url.split('?', 1)[0]?.split('/').at(-1) ?? '') !== fileName) return null;
  return { url, sha256: /(?:^|&)sha256=([0-9a-f]{64})/.exec(fragment)?.[1] ?? null };
}

/** Why pip has found no file, from all that it wrote: the pages that it could not fetch, else its own error. */
export function whyNoAddress(output: string): string {
  const pages = [...output.matchAll(/^\s*Could not fetch URL (\S+): (.+?)(?: - skipping)?$/gm)].map(
    ([, url, fault = '']) => `${url}: ${shortFault(fault)}`,
  );
  if (pages.length > 0) return [...new Set(pages)].join('; ');
  const errors = [...output.matchAll(/^\s*ERROR: (.+)$/gm)].map(([, text]) => text);
  return errors.at(-1) ?? output.trim().split('\n').at(-1) ?? '';
}

/** Within a chain of Python's exceptions the system's own words say most. */
function shortFault(fault: string): string {
  return /\[Errno -?\d+\] ([^')"\]]+)/.exec(fault)?.[1] ?? fault.replace(/^connection error: /, '');
}

/** The settings that `pip config list` prints, by their name without its section. The environment goes first, then the command's section. */
export function readPipConfig(output: string): ReadonlyMap<string, string> {
  const rank = (section: string): number => ['global', 'download', ':env:'].indexOf(section);
  const settings = new Map<string, { readonly value: string; readonly rank: number }>();
  for (const [, section = '', name = '', value = ''] of output.matchAll(/^([^.=\s]+)\.([a-z-]+)='(.*)'$/gm)) {
    if (rank(section) > (settings.get(name)?.rank ?? -1)) settings.set(name, { value, rank: rank(section) });
  }
  return new Map([...settings].map(([name, { value }]) => [name, value]));
}
