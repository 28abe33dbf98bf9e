/** The interface of a role: it carries out the coordinator's orders and answers requests. student.ts and teacher.ts implement it. */

import type { DataMessage, DataRequest } from '../../src/protocol/data.js';
import type { DataReply } from '../../src/rpc/data-server.js';
import type { EngineOrder } from './orders.js';

export interface Role {
  /** Begins the ordered work and returns at once. Orders that are not for this role are dropped. */
  handle(order: EngineOrder): void;
  answer(request: DataMessage<DataRequest>): Promise<DataReply>;
  /** Cancels the work under way and releases everything that the role holds. */
  close(): Promise<void>;
}
