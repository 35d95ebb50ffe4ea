/**
 * The least UUIDv7 of a millisecond (RFC 9562, section 5.7): ids of that moment and later are not below it, those of earlier
 * moments are. A range of time is so a range of the ledger's key.
 *
 * @param epochMs 0 … 2^48 − 1
 */
export const firstIdAt = (epochMs: number): string => {
  const hex = epochMs.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
};
