/** Chooses the workers that `run` starts on this machine, and the number of threads of each. Pure. */

import { present } from '../base/assert.js';
import { studentsOf } from '../config/peer.js';
import { countWorkers, type Placement, type Recipe, type WorkersOfRole } from '../config/schema.js';
import { isTaughtStage } from '../config/stage-kinds.js';

/** One worker to start. */
export interface PlacedWorker {
  readonly role: 'teacher' | 'student';
  /** Unique in the run. */
  readonly name: string;
  readonly placement: Placement;
  /** Whether the recipe gives the number of its threads. */
  readonly isExplicit: boolean;
}

interface WantedWorker extends Omit<PlacedWorker, 'placement' | 'isExplicit'> {
  readonly device: Placement['device'];
  /** Null means a share of the free cores. */
  readonly threads: number | null;
}

/**
 * Answers the students first, then the teachers, if a stage has a teacher. A number of threads in the recipe is taken as
 * it is. The remaining cores are divided evenly among the other workers, at least one for each. Cores that are left over
 * go to the teachers first, one for each, because a teacher answers all students.
 */
export function placeWorkers(recipe: Recipe, cores: number): readonly PlacedWorker[] {
  const wanted = wantedOf(recipe);
  const taken = wanted.reduce((sum, { threads }) => sum + (threads ?? 0), 0);
  const sharing = wanted.filter(({ threads }) => threads === null);
  const free = Math.max(0, cores - taken);
  const share = Math.max(1, Math.floor(free / sharing.length));
  const rest = Math.max(0, free - share * sharing.length);
  const byNeed = [...sharing].sort((a, b) => Number(b.role === 'teacher') - Number(a.role === 'teacher'));
  const threadsOf = new Map(byNeed.map((worker, index) => [worker, share + (index < rest ? 1 : 0)]));
  return wanted.map((worker) => {
    const { role, name, device } = worker;
    const threads = worker.threads ?? present(threadsOf.get(worker), 'a share of the cores');
    return { role, name, placement: { device, threads }, isExplicit: worker.threads !== null };
  });
}

/** A warning when the recipe gives numbers of threads and all workers together have more threads than there are cores; or null. */
export function shortageOf(workers: readonly PlacedWorker[], cores: number): string | null {
  const threads = workers.reduce((sum, { placement }) => sum + placement.threads, 0);
  if (threads <= cores || !workers.some(({ isExplicit }) => isExplicit)) return null;
  return `the workers have ${threads} threads together, and this machine has ${cores} cores: they will wait for each other`;
}

/** A warning when a worker has more threads than there are cores; or null. */
export function shortageOfThreads(threads: number, cores: number): string | null {
  if (threads <= cores) return null;
  return `--threads ${threads} is more than the ${cores} cores of this machine: the threads will wait for each other`;
}

function wantedOf(recipe: Recipe): readonly WantedWorker[] {
  const { workers, stages } = recipe;
  const hasTeaching = Object.values(stages).some(isTaughtStage);
  const wantedAs = (role: WantedWorker['role'], ofRole: WorkersOfRole): WantedWorker[] =>
    Array.from({ length: countWorkers(ofRole) }, (_, index) => {
      const own = typeof ofRole === 'number' ? undefined : ofRole[index];
      const threads = own?.threads ?? workers.threads;
      return { role, name: `${role}-${index + 1}`, device: own?.device ?? 'cpu', threads: threads === 'auto' ? null : threads };
    });
  return [...wantedAs('student', studentsOf(recipe)), ...wantedAs('teacher', hasTeaching ? workers.teachers : 0)];
}
