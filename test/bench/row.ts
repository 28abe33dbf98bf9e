/**
 * What a row of the bench is: a name, and how the two sides that it compares are started. Ours and each anchor is a
 * process that stays up while the row is measured, and does on demand what `side-program.ts` (Node) and
 * `anchors/side_program.py` (Python) make of its functions: show what it computes (the gate), and run steps and say how
 * long they took. The runner starts, gates, warms up and alternates them; a row knows none of that.
 */

/** What the command line says, as far as a row may care. */
export interface RowSettings {
  /** Images in a batch. */
  readonly batch: number;
  /** Threads that each side computes with. */
  readonly threads: number;
  /** Whether our step programs may be recorded. */
  readonly trace: 'auto' | 'off';
  /** A Python that has torch (--torch); null when none was named. */
  readonly torch: string | null;
  /** A folder of this row's own for files that its sides read and write. It is there, empty, and removed afterwards. */
  readonly folder: string;
}

/** How one side is started. */
export interface SideStart {
  /** What it is, before it runs and says so itself. */
  readonly label: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Added to the environment of the bench. */
  readonly env: Readonly<Record<string, string>>;
  /** How many images one step counts for. */
  readonly imagesPerStep: number;
}

/** What a side computes from the row's inputs, for comparison with another side. */
export interface GateAnswer {
  /** Losses of the first steps, say. */
  readonly numbers: readonly number[];
  /** Files of raw float32 that the side has written, by what they hold: parameters after the first step, say. */
  readonly arrays: Readonly<Record<string, string>>;
}

/** What is measured against what. */
export interface Contest {
  readonly ours: SideStart;
  /** At least one. The one with the highest median rate is the row's anchor. */
  readonly anchors: readonly SideStart[];
  /** What differs between two answers, in a sentence with the numbers; null when they agree. May read their files. */
  compare(ours: GateAnswer, anchor: GateAnswer): string | null;
}

/** Why a row cannot be measured here, in a few words that say what would help. */
export interface Skip {
  readonly skipped: string;
}

export interface Row {
  /** As in `--rows`, kebab-case. */
  readonly name: string;
  /** What is measured against what, in a sentence. */
  readonly what: string;
  /** Steps of each side that are dropped before the first that counts. */
  readonly warmUp: number;
  /** Images in a batch where the command line says nothing; by default 128. */
  readonly batch?: number;
  /** The time of a step that ours is to take at most, over that of the anchor's; not given where nothing is said of it. */
  readonly timeMost?: number;
  /** Writes what both sides read into `settings.folder` and says how they are started. */
  prepare(settings: RowSettings): Promise<Contest | Skip>;
}
