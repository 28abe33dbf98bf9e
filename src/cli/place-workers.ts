/** Which workers `run` starts on this machine, and how many threads each has. Pure. */

import { present } from '../base/assert.js';
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

interface Wish extends Omit<PlacedWorker, 'placement' | 'isExplicit'> {
  readonly device: Placement['device'];
  /** Null: its share of the cores. */
  readonly threads: number | null;
}

/**
 * Students first; teachers only when a stage has a teacher. The cores that no number in the recipe takes are divided
 * evenly among the other workers, at least one each; what does not divide goes to teachers first, one core each: a
 * teacher answers all students.
 */
export function placeWorkers(recipe: Recipe, cores: number): readonly PlacedWorker[] {
  const wishes = wishesOf(recipe);
  const taken = wishes.reduce((sum, { threads }) => sum + (threads ?? 0), 0);
  const sharing = wishes.filter(({ threads }) => threads === null);
  const free = Math.max(0, cores - taken);
  const share = Math.max(1, Math.floor(free / sharing.length));
  const rest = Math.max(0, free - share * sharing.length);
  const byNeed = [...sharing].sort((a, b) => Number(b.role === 'teacher') - Number(a.role === 'teacher'));
  const threadsOf = new Map(byNeed.map((wish, index) => [wish, share + (index < rest ? 1 : 0)]));
  return wishes.map((wish) => {
    const { role, name, device } = wish;
    const threads = wish.threads ?? present(threadsOf.get(wish), 'a share of the cores');
    return { role, name, placement: { device, threads }, isExplicit: wish.threads !== null };
  });
}

/** What is wrong with numbers of threads that the recipe gives, if together they are more than there are cores; or null. */
export function shortageOf(workers: readonly PlacedWorker[], cores: number): string | null {
  const threads = workers.reduce((sum, { placement }) => sum + placement.threads, 0);
  if (threads <= cores || !workers.some(({ isExplicit }) => isExplicit)) return null;
  return `the workers have ${threads} threads together, and this machine has ${cores} cores: they will wait for each other`;
}

function wishesOf({ workers, stages }: Recipe): readonly Wish[] {
  const hasTeaching = Object.values(stages).some(isTaughtStage);
  const wish = (role: Wish['role'], ofRole: WorkersOfRole): Wish[] =>
    Array.from({ length: countWorkers(ofRole) }, (_, index) => {
      const own = typeof ofRole === 'number' ? undefined : ofRole[index];
      const threads = own?.threads ?? workers.threads;
      return { role, name: `${role}-${index + 1}`, device: own?.device ?? 'cpu', threads: threads === 'auto' ? null : threads };
    });
  return [...wish('student', workers.students), ...wish('teacher', hasTeaching ? workers.teachers : 0)];
}
