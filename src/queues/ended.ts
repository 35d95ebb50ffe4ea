import { Socket } from 'node:net';
import type { Pool, PoolClient } from 'pg';
import { endingWhenSilent } from '../net/silence.ts';

/**
 * Has a connection that ended leave its pool whoever holds it: what listens for jobs does not always give it back, and a pool
 * whose places are all taken by the dead never gives one out again.
 */
export const freeEnded = (pool: Pool): void => {
  const held = new WeakMap<PoolClient, () => void>();
  pool.on('acquire', (client) => {
    const ended = (): void => {
      client.release(true);
      // Whoever holds it may give it back after all.
      client.release = () => undefined;
    };
    held.set(client, ended);
    client.once('end', ended);
  });
  // Told before the connection is idle, so that nobody is heard who does not hold it any more.
  pool.on('release', (_fault, client) => {
    const ended = held.get(client);
    if (ended !== undefined) client.off('end', ended);
  });
};

/**
 * Ends a connection that owes an answer and has been silent for `silentMs`, so that whoever holds it gives its place back. Before
 * it is ready for statements the pool's own limit holds.
 */
export const freeSilent = (pool: Pool, silentMs: number): void => {
  pool.on('connect', ({ connection: { stream } }) => {
    if (stream instanceof Socket) endingWhenSilent(stream, silentMs, false);
  });
};
