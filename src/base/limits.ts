/** Every written maximum of the wire. The specification in src/protocol/README.md quotes this file. */

export const LIMITS = {
  /** Bytes of a control message, which is one frame. Checked before it is decoded. */
  controlFrameBytes: 64 * 1024,
  /** Bytes of the header frame of a data message. Checked before it is decoded. */
  dataHeaderBytes: 64 * 1024,
  /** Bytes of one raw tensor frame. */
  dataFrameBytes: 512 * 1024 * 1024,
  /** Bytes of the tensors in one part of a state: a larger state travels in several messages. */
  partBytes: 64 * 1024 * 1024,
  /** Bytes of all tensors of a state. */
  stateBytes: 16 * 1024 ** 3,
  /** Bytes of the memory of a stage's loss, which is a part of the state. */
  memoryBytes: 4 * 1024 ** 3,
  /** Frames of a data message: the header and its tensors. */
  dataFrames: 17,
  /** Control messages that wait on one connection. */
  controlQueue: 256,
  /** Data messages that wait on one connection. */
  dataQueue: 64,
  /** Requests that one client may have unanswered at one server. */
  requestsInFlight: 64,
  /** Requests that one server works on at the same time, from all clients together. */
  requestsInWork: 256,
  /** Connections that one listener remembers. */
  connections: 65_536,
  /** Characters in the name of a worker, run, stage or model. */
  nameLength: 64,
  /** Characters of free text: error messages, reasons. */
  textLength: 2000,
  /** Tensors of knowledge in one answer, each in a frame. More of them take several requests. */
  specs: 16,
  /** Characters in the name of a layer that is tapped. */
  layerLength: 128,
  /** Numbers that a reduction takes. */
  reductionOptions: 8,
  /** Samples in one request for knowledge. */
  rowsPerRequest: 4096,
  /** Bytes of data in one split.answer or image.answer, unless one sample alone has more. */
  feedBytes: 4 * 1024 * 1024,
  /** Milliseconds that a request for such data waits: then the worker has given it up, and the coordinator makes no answer to it any more. */
  feedWaitMs: 60_000,
  /** Ranges in one message. A state lacks some samples in places: each place is one more range. */
  ranges: 1024,
  /** Members of a round, teachers of a student. */
  members: 256,
  /** Replicas of a peer whose optimiser's state is in a checkpoint. */
  replicaStates: 8,
  /** Axes of a tensor. */
  axes: 8,
  /** Bytes of the resolved recipe, as JSON. */
  recipeBytes: 48 * 1024,
  /** Levels of nesting in a message. */
  depth: 8,
} as const;
