import { randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';

const idBytes = 16;
const pooled = 512;

/**
 * Ids for events: uuidv7 (RFC 9562, section 5.7) of the time they were received at, rising within a millisecond. Random
 * bytes are drawn for many at once; drawing them for each costs more than all the rest of the id.
 *
 * @returns a function from epoch ms to an id
 */
export const eventIds = (): ((receivedAt: number) => string) => {
  const pool = new Uint8Array(idBytes * pooled);
  let at = pool.length;
  let last = Number.NEGATIVE_INFINITY;
  let seq = 0;
  return (receivedAt) => {
    if (at === pool.length) {
      randomFillSync(pool);
      at = 0;
    }
    const random = pool.subarray(at, at + idBytes);
    at += idBytes;
    // A fresh millisecond begins in the lower half of the 32-bit counter, so that no storm runs it over.
    seq = receivedAt > last ? new DataView(random.buffer, random.byteOffset).getUint32(6) >>> 1 : seq + 1;
    last = Math.max(last, receivedAt);
    return v7({ msecs: last, seq, random });
  };
};
