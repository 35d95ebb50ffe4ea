import { setFlagsFromString } from 'node:v8';

/**
 * Keeps what is short-lived in the young generation, for processes that serve for long. V8 notes which places in the code make
 * objects that outlive its collections, and from then on makes theirs in the old generation, for good. One busy moment decides
 * so of the objects of a request; all that later requests make then stays until the next full collection.
 */
export const keepYoung = (): void => setFlagsFromString('--no-allocation-site-pretenuring');
