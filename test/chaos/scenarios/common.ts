import { v7 } from 'uuid';
import { waitFor } from '../../support/wait.ts';
import type { Replica, World } from '../scenario.ts';

// Ample: how long it may take is judged by what was measured.
const patienceMs = 180_000;

/**
 * Milliseconds until nothing that was accepted before `before` (epoch ms) is pending, counted from `before`. It asks by keys:
 * what reads the whole ledger twenty times a second takes the processors from what it waits for.
 */
export const untilCaughtUp = async (world: World, before: number, timeoutMs = patienceMs): Promise<number> => {
  await waitFor(
    async () => {
      const [row] = await world.sql<{ id: string }[]>`
        select e.id from unfinished_events u join certificate_lifecycle_events e on e.id = u.event_id
        where u.status = 'pending' and e.retry_count = 0 and e.created_at <= to_timestamp(${before} / 1000.0)
        limit 1`;
      if (row !== undefined) throw new Error(`event ${row.id} is pending`);
      return true;
    },
    { timeoutMs, intervalMs: 50, what: 'what was accepted before to be applied' },
  );
  return Date.now() - before;
};

/** Milliseconds from `since` (epoch ms) until the first event that was accepted after it is applied. */
export const untilNewIsApplied = (world: World, since: number, timeoutMs = patienceMs): Promise<number> =>
  waitFor(
    async () => {
      const [row] = await world.sql<{ at: number | null }[]>`
        select (extract(epoch from min(processed_at)) * 1000)::float8 as at from certificate_lifecycle_events
        where id > ${v7({ msecs: since - 1000 })} and created_at > to_timestamp(${since} / 1000.0) and status = 'applied'`;
      return typeof row?.at === 'number' ? row.at - since : null;
    },
    { timeoutMs, intervalMs: 50, what: 'an event that was accepted since to be applied' },
  );

/** Milliseconds from `since` (epoch ms) until Redis counts as complete: all that is unfinished has been queued again. */
export const untilKnown = async (world: World, since: number, timeoutMs = patienceMs): Promise<number> => {
  const { redis } = world;
  if (redis === null) throw new Error('the world has no Redis');
  await waitFor(
    async () => {
      const info = String(await redis.command('INFO', 'server'));
      return /^run_id:(\w+)/m.exec(info)?.[1] === (await redis.command('GET', '{notafter}:epoch'));
    },
    { timeoutMs, intervalMs: 100, what: 'everything to be queued again' },
  );
  return Date.now() - since;
};

/** Starts a process that dies at the `nth` passing of a failpoint, waits until it has, and gives when (epoch ms). It stays down. */
export const dieAt = async (world: World, replica: Replica, failpoint: string, nth = 1): Promise<number> => {
  if (!replica.app().hasExited()) await replica.kill9();
  const env = { NOTAFTER_FAILPOINTS: `${failpoint}=kill@${nth}` };
  const isSo = (what: string): boolean => what.includes(`failpoint ${failpoint}: kill`);
  // It may be dead before it is ready.
  await replica.start({ env, ready: false });
  await waitFor(() => world.ends.some(isSo), {
    timeoutMs: patienceMs,
    intervalMs: 5,
    what: `a process to die at ${failpoint}`,
  });
  world.ends.splice(world.ends.findIndex(isSo), 1);
  const at = Date.now();
  await replica.kill9();
  return at;
};
