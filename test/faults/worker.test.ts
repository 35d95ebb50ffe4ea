import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, eventBody, register, send } from '../support/driver.ts';
import { flawsOf, untilApplied } from '../support/ledger.ts';
import type { App } from '../support/process.ts';
import { waitFor } from '../support/wait.ts';
import { openSite, report, type Site } from './site.ts';

let site: Site;
let api: App;
beforeAll(async () => {
  site = await openSite();
  api = await site.start('serve');
});
afterAll(() => site.close());

const accept = async (domain: string): Promise<string> => {
  const answer = await send(api.url, eventBody(domain, 'renewal_failed'));
  expect(answer).toMatchObject({ status: 202 });
  return String(answer.body['eventId']);
};

/** Holds locks in a transaction of ours until told to let go. */
const hold = async (lock: string): Promise<{ release: () => Promise<void> }> => {
  const connection = await site.sql.reserve();
  await connection.unsafe(`begin; ${lock}`);
  return {
    release: async () => {
      await connection.unsafe('rollback');
      connection.release();
    },
  };
};

const untilWaiting = (count = 1, event = '%'): Promise<unknown> =>
  waitFor(
    async () => {
      const rows = await site.sql`
        select 1 from pg_stat_activity
        where datname = current_database() and application_name = 'notafter' and wait_event_type = 'Lock' and wait_event like ${event}`;
      return rows.length >= count;
    },
    { timeoutMs: 15_000, what: `${count} transactions to wait for the lock` },
  );

const failuresOf = async (domain: string): Promise<{ count: number; outcomes: string[] }> => {
  const [row] = await site.sql<
    { n: number }[]
  >`select cert_failure_count as n from custom_domains where domain = ${domain}`;
  const events = await site.sql<
    { outcome: string }[]
  >`select outcome from certificate_lifecycle_events where domain = ${domain}`;
  return { count: row?.n ?? -1, outcomes: events.map(({ outcome }) => outcome) };
};

const once = { count: 1, outcomes: ['applied'] };

const commitLock = 'select pg_advisory_xact_lock(4711)';
/** From now on a commit waits at its very end for the lock; the database carries it out although nobody is there to be told. */
const holdCommits = () =>
  site.sql.unsafe(`
    create function hold_commit() returns trigger language plpgsql as $$
      begin perform pg_advisory_xact_lock(4711); return null; end $$;
    create constraint trigger hold_commit after update on certificate_lifecycle_events
      deferrable initially deferred for each row execute function hold_commit();`);
const letCommit = () => site.sql`drop function hold_commit() cascade`;

const newDomain = (): Promise<string> => register(api.url, `${randomUUID()}.example.net`);
const rowOf = (domain: string): string => `select 1 from custom_domains where domain = '${domain}' for update`;

/** The id of the job that carries the event's group. */
const groupOf = async (id: string): Promise<string> => {
  const [row] = await site.sql<
    { group_id: string }[]
  >`select group_id from certificate_lifecycle_events where id = ${id}`;
  return row?.group_id ?? '';
};

/** Waits until the event's group is among the jobs that were done. */
const untilJobDone = (id: string): Promise<unknown> =>
  waitFor(
    async () => {
      const group = await groupOf(id);
      return (await site.ask((redis) => redis.zscore('{notafter}:cert-events:completed', group))) !== null;
    },
    { timeoutMs: 15_000, intervalMs: 100, what: 'the job to be done' },
  );

describe('a worker that is killed', { timeout: 60_000 }, () => {
  it.each([
    ['before it has read anything', rowOf],
    ['inside its transaction', () => 'lock table certificate_incidents in exclusive mode'],
  ])('%s leaves its job to another within ten seconds', async (_when, lockOf) => {
    const first = await site.start('work');
    const domain = await newDomain();
    const lock = await hold(lockOf(domain));
    const id = await accept(domain);
    await untilWaiting();
    const second = await site.start('work');
    await first.kill9();
    const killed = performance.now();
    await lock.release();
    const seconds = ((await untilApplied(site.sql, id)) - killed) / 1000;
    report('s until the job of a killed worker ran again', seconds);
    expect(seconds).toBeLessThan(10);
    await untilJobDone(id);
    expect(await failuresOf(domain)).toEqual(once);
    expect(await flawsOf(site.sql)).toEqual([]);
    await second.kill9();
  });

  it('between its commit and the end of its job does not make another apply it again', async () => {
    await holdCommits();
    const first = await site.start('work');
    const domain = await newDomain();
    const lock = await hold(commitLock);
    const id = await accept(domain);
    await untilWaiting();
    const second = await site.start('work');
    await first.kill9();
    await lock.release();
    await untilApplied(site.sql, id);
    expect(await site.ask((redis) => redis.llen('{notafter}:cert-events:active'))).toBe(1);
    await untilJobDone(id);
    await letCommit();
    expect(await failuresOf(domain)).toEqual(once);
    expect(await flawsOf(site.sql)).toEqual([]);
    await second.kill9();
  });

  it('before it could show a dead letter leaves that to another', async () => {
    const first = await site.start('work');
    const domain = await newDomain();
    const row = await hold(rowOf(domain));
    const id = await accept(domain);
    await site.sql`update certificate_lifecycle_events set event_type = 'revoked' where id = ${id}`;
    await holdCommits();
    const lock = await hold(commitLock);
    await row.release();
    await untilWaiting(1, 'advisory');
    const second = await site.start('work');
    await first.kill9();
    await lock.release();
    await waitFor(() => site.ask((redis) => redis.zscore('{notafter}:cert-events:failed', `${id}-0`)), {
      timeoutMs: 30_000,
      what: 'the dead letter',
    });
    await letCommit();
    const tries = await site.sql`select 1 from cert_event_attempts where event_id = ${id}`;
    expect(tries).toHaveLength(1);
    await second.kill9();
  });

  it('again and again on the same job does not make the job give up', async () => {
    const domain = await newDomain();
    const lock = await hold(rowOf(domain));
    let worker = await site.start('work');
    const id = await accept(domain);
    const job = await groupOf(id);
    for (const round of [1, 2]) {
      // The backend of a killed worker goes on waiting for the lock.
      await untilWaiting(round);
      const next = await site.start('work');
      await worker.kill9();
      worker = next;
    }
    await untilWaiting(3);
    await lock.release();
    await untilApplied(site.sql, id);
    await untilJobDone(id);
    // Nobody had to come to its help with another job.
    expect(await groupOf(id)).toBe(job);
    expect(await failuresOf(domain)).toEqual(once);
    expect(await flawsOf(site.sql)).toEqual([]);
    await worker.kill9();
  });
});

describe('two workers', { timeout: 40_000 }, () => {
  it('that meet on one domain count every failure, and open one incident', async () => {
    const workers = [await site.start('work'), await site.start('work')];
    const domain = await newDomain();
    const lock = await hold(rowOf(domain));
    // One after the other, so that each commit is a group of its own; several run into the lock at once.
    const ids: string[] = [];
    for (let n = 0; n < 10; n += 1) ids.push(await accept(domain));
    await untilWaiting(2);
    const rest = Promise.all(Array.from({ length: 30 }, () => accept(domain)));
    await lock.release();
    for (const id of [...ids, ...(await rest)]) await untilApplied(site.sql, id);
    const { count, outcomes } = await failuresOf(domain);
    expect([count, outcomes.length]).toEqual([40, 40]);
    const incidents = await site.sql`select tier, status from certificate_incidents where domain = ${domain}`;
    expect([...incidents]).toEqual([{ tier: 2, status: 'open' }]);
    expect(await flawsOf(site.sql)).toEqual([]);
    for (const worker of workers) await worker.kill9();
  });
});

describe('one identity', { timeout: 40_000 }, () => {
  it('sent a thousand times over fifty connections to two replicas is one event', async () => {
    const second = await site.start('serve');
    const worker = await site.start('work');
    const domain = await newDomain();
    const body = eventBody(domain, 'renewal_failed', { reason: 'storm' });
    const urls = [api.url, second.url];
    const answers: Answer[] = [];
    const sender = async (_: unknown, lane: number): Promise<void> => {
      for (let n = 0; n < 20; n += 1) answers.push(await send(urls[(lane + n) % 2] ?? '', body));
    };
    await Promise.all(Array.from({ length: 50 }, sender));
    expect(answers).toHaveLength(1000);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
    const ids = new Set(answers.map((answer) => String(answer.body['eventId'])));
    expect(ids.size).toBe(1);
    expect(answers.filter((answer) => answer.body['duplicate'] !== true)).toHaveLength(1);
    const [id = ''] = ids;
    await untilApplied(site.sql, id);
    expect(await failuresOf(domain)).toEqual(once);
    expect(await flawsOf(site.sql, new Map([[body.sourceEventId, id]]))).toEqual([]);
    for (const app of [second, worker]) await app.kill9();
  });
});
