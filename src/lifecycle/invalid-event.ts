/** The event can never be applied, whatever happens later: it goes to the dead letters at once. */
export class InvalidEventError extends Error {
  override readonly name = 'InvalidEventError';
}
