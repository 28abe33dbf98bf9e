/** Every written maximum of the wire. The specification in README.md quotes this file. */

export const LIMITS = {
  /** A control message: one frame. Checked before it is decoded. */
  controlFrameBytes: 64 * 1024,
  /** The header frame of a data message. Checked before it is decoded. */
  dataHeaderBytes: 64 * 1024,
  /** One raw tensor frame. */
  dataFrameBytes: 512 * 1024 * 1024,
  /** Frames of a data message: the header and its tensors. */
  dataFrames: 17,
  /** Control messages waiting for one peer. */
  controlQueue: 256,
  /** Data messages waiting for one peer. */
  dataQueue: 64,
  /** Requests that one client may have unanswered at one server. */
  requestsInFlight: 64,
  /** Requests that one server works on at a time, of all clients together. */
  requestsInWork: 256,
  /** Connections that one listener remembers. */
  peers: 65_536,
  /** Names of workers, runs, stages and models. */
  nameLength: 64,
  /** Free text: error messages, reasons. */
  textLength: 2000,
  /** Tensors of knowledge in one answer, each in a frame. More are several requests. */
  specs: 16,
  /** The name of a layer that is tapped. */
  layerLength: 128,
  /** Numbers that a reduction is told. */
  reductionOptions: 8,
  /** Rows in one request for knowledge. */
  rowsPerRequest: 4096,
  /** Ranges in one message. */
  ranges: 256,
  /** Members of a round, teachers of a student. */
  members: 256,
  /** Axes of a tensor. */
  axes: 8,
  /** The resolved recipe, as JSON. */
  recipeBytes: 48 * 1024,
  /** Nesting of a message. */
  depth: 8,
} as const;
