/** Reads pip's output: the address of a file, the reason why pip found none, pip's settings. Pure. */

export interface FileAddress {
  readonly url: string;
  /** Hexadecimal; null when the index does not give it. */
  readonly sha256: string | null;
}

/** Finds the address of a file by its name, in the lines that `pip -vv` writes for each file of an index; null when it is not there. */
export function readAddress(output: string, fileName: string): FileAddress | null {
  for (const [, link = ''] of output.matchAll(/^\s*Found link (\S+)/gm)) {
    const [url = '', fragment = ''] = link.split('#', 2);
    if (url.split('?', 1)[0]?.endsWith(`/${fileName}`)) return { url, sha256: /(?:^|&)sha256=([0-9a-f]{64})/.exec(fragment)?.[1] ?? null };
  }
  return null;
}

/** The pages that pip could not fetch, each with the reason; null when there were none. */
export function whyNoPage(output: string): string | null {
  const pages = [...output.matchAll(/^\s*Could not fetch URL (\S+): (.+?)(?: - skipping)?$/gm)].map(
    ([, url, fault = '']) => `${url}: ${shortFault(fault)}`,
  );
  return pages.length === 0 ? null : [...new Set(pages)].join('; ');
}

/** pip's last error, or else the last line of its output. */
export function lastError(output: string): string {
  const errors = [...output.matchAll(/^\s*ERROR: (.+)$/gm)].map(([, text]) => text);
  return errors.at(-1) ?? output.trimEnd().split('\n').at(-1) ?? '';
}

/** Takes the system's own message out of a chain of Python exceptions: it tells most. */
function shortFault(fault: string): string {
  return /\[Errno -?\d+\] ([^')"\]]+)/.exec(fault)?.[1] ?? fault.replace(/^connection error: /, '');
}

/**
 * The settings that `pip config list` prints, by their name without the section. When a setting occurs twice, the
 * environment's value is taken first, then that of the section `download`.
 */
export function readPipConfig(output: string): ReadonlyMap<string, string> {
  const rank = (section: string): number => ['global', 'download', ':env:'].indexOf(section);
  const settings = new Map<string, { readonly value: string; readonly rank: number }>();
  for (const [, section = '', name = '', value = ''] of output.matchAll(/^([^.=\s]+)\.([a-z-]+)='(.*)'$/gm)) {
    if (rank(section) > (settings.get(name)?.rank ?? -1)) settings.set(name, { value, rank: rank(section) });
  }
  return new Map([...settings].map(([name, { value }]) => [name, value]));
}
