/** The reports of an install on its progress. Owns the types only. */

export type InstallStep = 'ask' | 'download' | 'unpack' | 'compile' | 'try';

export type InstallReport =
  /** A step begins. `about` describes it in a few words. */
  | { readonly type: 'step'; readonly step: InstallStep; readonly about: string }
  /** The progress of a step that counts bytes: `bytes` of `ofBytes` are done. */
  | { readonly type: 'progress'; readonly step: InstallStep; readonly bytes: number; readonly ofBytes: number }
  /** A message that the user should know. */
  | { readonly type: 'note'; readonly text: string };
