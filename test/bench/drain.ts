import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { v7 as uuidv7 } from 'uuid';
import { appendEvents } from '../../src/db/append.ts';
import { connectDb } from '../../src/db/client.ts';
import { parseEvent } from '../../src/lifecycle/event.ts';
import { openQueues } from '../../src/queues/open.ts';
import { postgresStore, redisStore, type Store } from '../../src/queues/store.ts';
import type { Database, Infrastructure } from './infrastructure.ts';
import { assertApplied, untilApplied } from './ledger.ts';
import type { Case } from './run.ts';
import { cpuPerEvent, startRole, type Subject } from './servers.ts';
import { cpuOf, type Measure, rssOf } from './stats.ts';
import { eventBody } from './workload.ts';

const groupSize = 500;
const quiet = () => undefined;
const prefix = '{notafter}';

const storeOf = (subject: Subject, { redisUrl }: Infrastructure, { url }: Database): Store =>
  subject === 'notafter, Redis' ? redisStore(redisUrl, prefix, quiet) : postgresStore(url, 4, quiet);

/** Commits and queues events as the API does under load, in full groups, with no worker there to take them. */
const fill = async (store: Store, { url }: Database, count: number): Promise<void> => {
  const db = connectDb(url, { max: 2, name: 'bench' });
  await store.check();
  const queues = openQueues(store, 6);
  // A worker has run before on this store: what it finds is a backlog, not a store that may have lost everything.
  await store.confirm();
  const startedAt = Date.now();
  for (let from = 0; from < count; from += groupSize) {
    const group = Array.from({ length: Math.min(groupSize, count - from) }, (_, index) => {
      const receivedAt = Date.now();
      const parsed = parseEvent(eventBody('drain', from + index, startedAt), receivedAt);
      const { source = '', clusterId = null, domain = '' } = parsed;
      return {
        id: uuidv7(),
        source,
        clusterId,
        domain,
        parsed,
        provenanceSubject: `${source}:${clusterId}`,
        receivedAt,
      };
    });
    const groupId = uuidv7();
    await appendEvents(db, group, groupId);
    await queues.enqueueGroup(
      groupId,
      group.map(({ id }) => id),
    );
  }
  await queues.close();
  await store.close();
  await db.close();
};

/**
 * Events a second from when the worker's first group is applied to its last; and as `from start`, from the start of the
 * worker's process. The processor has just compiled nothing yet: this is a worker that comes up to a backlog.
 */
const drainOne = async (
  subject: Subject,
  count: number,
  infrastructure: Infrastructure,
  profiles: string | null,
): Promise<Measure> => {
  const database = await infrastructure.fresh();
  const { sql } = database;
  try {
    await fill(storeOf(subject, infrastructure, database), database, count);
    const before = { worker: 0, ...infrastructure.cpu() };
    const startedAt = Date.now();
    const worker = await startRole(subject, 'work', infrastructure, database, { profiles });
    await untilApplied(sql, 600_000);
    const cpu = cpuPerEvent(before, { worker: cpuOf(worker.pid), ...infrastructure.cpu() }, count);
    const mb = rssOf(worker.pid);
    const [span] = await sql<{ first: number; last: number; early: number }[]>`
      with times as (select extract(epoch from processed_at)::float8 as at from certificate_lifecycle_events)
      select min(at) as first, max(at) as last, count(*) filter (where at = (select min(at) from times))::int as early from times`;
    const { first, last, early } = span ?? { first: 0, last: 0, early: 0 };
    await assertApplied(sql);
    await worker.stop();
    const values = { 'events/s': (count - early) / (last - first), 'from start/s': count / (last - startedAt / 1000) };
    return {
      part: 'drain',
      subject: `${subject}, ${count.toLocaleString('en')} waiting`,
      values: { ...values, ...cpu, 'worker MB': mb },
    };
  } finally {
    await database.drop();
  }
};

/** What BullMQ itself does with jobs that do nothing: the ceiling of any pipe with a job per event. */
const noOpJobs = async (infrastructure: Infrastructure): Promise<Measure> => {
  await (await infrastructure.fresh()).drop();
  const script = fileURLToPath(new URL('noop-jobs.ts', import.meta.url));
  const { stdout, stderr, status } = spawnSync(process.execPath, [script, infrastructure.redisUrl], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  if (status !== 0) throw new Error(`the run of no-op jobs failed:\n${stderr}`);
  // The script prints one object of numbers.
  return { part: 'drain', subject: 'BullMQ, no-op jobs', values: JSON.parse(stdout) as Record<string, number> };
};

/** How fast a worker gets through a backlog. */
export const drain: Case = async (infrastructure, { profiles }) => [
  await drainOne('notafter, Redis', 10_000, infrastructure, profiles),
  await drainOne('notafter, Redis', 100_000, infrastructure, profiles),
  await drainOne('notafter, PostgreSQL only', 10_000, infrastructure, profiles),
  await noOpJobs(infrastructure),
];

/** The same with a million events waiting; takes minutes, so it runs once and only when asked for. */
export const drainMillion: Case = async (infrastructure, { profiles }) => [
  await drainOne('notafter, Redis', 1_000_000, infrastructure, profiles),
];
