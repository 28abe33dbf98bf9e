/** Why a function cannot be traced: an expected answer, for whoever traces it to go on without. */
export class TraceRefusal extends Error {
  override readonly name = 'TraceRefusal';
}
