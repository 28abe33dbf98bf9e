/** The role of an engine: it takes the coordinator's orders and answers requests. student.ts and teacher.ts have the two. */

import type { DataMessage, DataRequest } from '../../src/protocol/data.js';
import type { DataReply } from '../../src/rpc/data-server.js';
import type { EngineOrder } from './orders.js';

export interface Role {
  /** Begins what is ordered and returns at once. Orders that are not for this role are dropped. */
  handle(order: EngineOrder): void;
  answer(request: DataMessage<DataRequest>): Promise<DataReply>;
  /** Calls off what is under way and gives back what the role holds. */
  close(): Promise<void>;
}
