/**
 * The two sockets of a coordinator. They are bound before anything is written and before the term is taken: an address
 * that is in use ends this coordinator, which then leaves no folder behind and ends no other coordinator of the run.
 */

import type { Logger } from '../../src/log/logger.js';
import type { CoordinatorArguments } from '../../src/protocol/parent.js';
import { type DataServerOptions, refusal, serveData } from '../../src/rpc/data-server.js';
import type { Transport } from '../../src/transport/transport.js';
import { type ControlServer, openControlServer } from './control-server.js';
import { Inbox } from './inbox.js';

/** The parts that answer on the sockets, once there is a term. */
export interface Answering {
  readonly logger: Logger;
  readonly answer: DataServerOptions['answer'];
}

export interface Sockets {
  readonly control: ControlServer;
  /** The address where workers put and fetch checkpoints. */
  readonly dataEndpoint: string;
  /** The messages of workers that wait for the core. */
  readonly inbox: Inbox;
  /** From this call on data requests are answered, and refusals are logged. Before it, data requests are refused with `not-ready`. */
  begin(answering: Answering): void;
  close(): Promise<void>;
}

/** Binds both sockets. The caller closes them. Throws `transport.bind`; then neither is bound. */
export async function bindSockets({
  transport,
  args,
}: {
  readonly transport: Transport;
  readonly args: CoordinatorArguments;
}): Promise<Sockets> {
  const inbox = new Inbox();
  let answering: Answering | null = null;
  const control = await openControlServer({
    transport,
    endpoint: args.listen,
    logger: { warn: (event, fields) => answering?.logger.warn(event, fields) },
    deliver: (connection, message) => inbox.offer({ type: 'message', connection, message }),
  });
  try {
    const data = await serveData({
      transport,
      endpoint: args.dataListen ?? dataListenFor(args.listen),
      answer: async (request) => answering?.answer(request) ?? refusal('not-ready', 'the coordinator is starting'),
    });
    return {
      control,
      dataEndpoint: data.endpoint,
      inbox,
      begin: (parts) => {
        answering = parts;
      },
      close: async () => {
        await control.close();
        await data.close();
      },
    };
  } catch (error) {
    await control.close();
    throw error;
  }
}

/** The data address beside the control address: the same host and any port, or a path of its own. */
export function dataListenFor(controlListen: string): string {
  const host = /^tcp:\/\/(.+):[^:]+$/.exec(controlListen)?.[1];
  return host === undefined ? `${controlListen}.data` : `tcp://${host}:*`;
}
