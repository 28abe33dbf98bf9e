/** The data server's address: where it listens when nothing is said, and what workers are told. */

const TCP = /^tcp:\/\/(.+):([^:]+)$/;
const ANY_HOST = /^(0\.0\.0\.0|\[::\]|\*)$/;

/** Beside the control address: the same host and any port, or a path of its own. */
export function dataListenFor(controlListen: string): string {
  const host = TCP.exec(controlListen)?.[1];
  return host === undefined ? `${controlListen}.data` : `tcp://${host}:*`;
}

/** The address as others reach it: one that listens on every interface is told by the machine's name. */
export function advertised(endpoint: string, hostName: string): string {
  const [, host, port] = TCP.exec(endpoint) ?? [];
  return host !== undefined && ANY_HOST.test(host) ? `tcp://${hostName}:${port}` : endpoint;
}
