/** The teachers that this student may ask, by the coordinator's last message, and the stream that asks them. */

import type { CoordinatorMessageOf, EngineAddress } from '../../src/protocol/control.js';
import type { KnowledgeStream } from './knowledge-stream.js';

export class TeacherLinks {
  #link: Pick<CoordinatorMessageOf<'coordinator.link'>, 'stage' | 'version' | 'teachers'> | null = null;
  #stream: KnowledgeStream | null = null;

  /** Takes a link, which replaces all of the last one. An older link of the same stage is ignored. */
  set({ stage, version, teachers }: CoordinatorMessageOf<'coordinator.link'>): void {
    if (this.#link?.stage === stage && version < this.#link.version) return;
    this.#link = { stage, version, teachers };
    this.#stream?.link(teachers);
  }

  of(stage: string): readonly EngineAddress[] {
    return this.#link?.stage === stage ? this.#link.teachers : [];
  }

  /** Tells this stream of every change from now on; null stops it. */
  follow(stream: KnowledgeStream | null): void {
    this.#stream = stream;
  }
}
