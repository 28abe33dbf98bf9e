/** What an install tells of itself while it goes on. */

export type InstallStep = 'ask' | 'download' | 'unpack' | 'compile' | 'try';

export type InstallReport =
  /** A step begins. `about` says what it does, in a few words. */
  | { readonly type: 'step'; readonly step: InstallStep; readonly about: string }
  /** How far a step is that counts bytes. */
  | { readonly type: 'progress'; readonly step: InstallStep; readonly bytes: number; readonly ofBytes: number }
  /** Something that the user should know. */
  | { readonly type: 'note'; readonly text: string };
