import postgres from 'postgres';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { appendEvents, type NewEvent } from '../../src/db/append.ts';
import { connectDb } from '../../src/db/client.ts';
import { migrate } from '../../src/db/migrate.ts';
import { addSignatureFailures } from '../../src/db/source-failures.ts';
import { parseEvent } from '../../src/lifecycle/event.ts';
import { seeded } from '../support/driver.ts';
import { eventBody, type IngestAnswer, startIngest, type TestIngest } from '../support/ingest.ts';
import { createTestDatabase, startTestPostgres, type TestDatabase, type TestPostgres } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';

const told = ({ status, headers, body }: IngestAnswer) => [status, headers['retry-after'], body['message']];
const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
const statuses = (answers: readonly IngestAnswer[]): number[] => [...new Set(answers.map(({ status }) => status))];

describe('a database that makes events wait', () => {
  let database: TestDatabase;
  let server: TestIngest;
  beforeAll(async () => {
    database = await createTestDatabase();
    const env = { CERT_INGEST_QUEUE_LIMIT: '100', CERT_EVENT_BATCH_SIZE: '5000' };
    server = await startIngest({ databaseUrl: database.url, env });
  });
  afterAll(async () => {
    await server.close();
    await database.drop();
  });

  /** Holds the ledger for as long as the work takes. */
  const whileLocked = async (work: () => Promise<void>): Promise<void> => {
    const sql = postgres(database.url, { max: 1, onnotice: () => undefined });
    await sql.begin(async (tx) => {
      await tx`lock table certificate_lifecycle_events in access exclusive mode`;
      await work();
    });
    await sql.end();
  };
  const untilOneWaits = () =>
    waitFor(
      async () => {
        const [row] = await server.db
          .sql`select 1 from pg_locks where not granted and database = (select oid from pg_database where datname = current_database())`;
        return row !== undefined;
      },
      { what: 'a commit to wait for the lock' },
    );

  it('refuses what is more than may wait, and accepts the rest once it can', async () => {
    const waiting: Promise<IngestAnswer>[] = [];
    await whileLocked(async () => {
      waiting.push(server.post(eventBody()));
      await untilOneWaits();
      const burst = many(140, () => server.post(eventBody()));
      waiting.push(...burst);
      const first = await Promise.race(burst);
      expect(told(first)).toEqual([503, '1', 'Too many events wait for the database; try again']);
    });
    const answers = await Promise.all(waiting);
    expect(answers.filter(({ status }) => status === 202).length).toBeGreaterThanOrEqual(101);
    expect(new Set(statuses(answers))).toEqual(new Set([202, 503]));
    const [row] = await server.db.sql`select count(*)::int as n from certificate_lifecycle_events`;
    expect(row).toEqual({ n: answers.filter(({ status }) => status === 202).length });
  });

  it('gathers what waits into one group', async () => {
    const before = server.queues.groups.length;
    const waiting: Promise<IngestAnswer>[] = [];
    await whileLocked(async () => {
      waiting.push(server.post(eventBody()));
      await untilOneWaits();
      waiting.push(...many(40, () => server.post(eventBody())));
      // By the time this one is answered, those sent before it have been read.
      await server.post('x', { headers: { 'x-cert-event-token': 'wrong' } });
    });
    expect(statuses(await Promise.all(waiting))).toEqual([202]);
    expect(server.queues.groups.length - before).toBeLessThan(10);
  });

  it('tells a fault in the data to the one event that has it', async () => {
    await server.db.sql`
      alter table certificate_lifecycle_events add constraint no_poison check (reason is distinct from 'poison')`;
    const waiting: Promise<IngestAnswer>[] = [];
    await whileLocked(async () => {
      waiting.push(server.post(eventBody()));
      await untilOneWaits();
      waiting.push(...many(30, (index) => server.post(eventBody({ reason: index % 10 === 7 ? 'poison' : 'fine' }))));
    });
    const answers = await Promise.all(waiting);
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(28);
    const refused = answers.filter(({ status }) => status !== 202);
    expect(refused.map(told)).toEqual(many(3, () => [400, undefined, 'The database cannot store this event']));
    const ids = answers.filter(({ status }) => status === 202).map(({ body }) => body['eventId']);
    const queued = server.queues.groups.flatMap(({ eventIds }) => eventIds);
    expect(ids.filter((id) => queued.filter((other) => other === id).length !== 1)).toEqual([]);
    expect(queued).toHaveLength(new Set(queued).size);
  });

  it('answers 202 while the queue hangs or fails', async () => {
    server.queues.hang = true;
    expect(statuses(await Promise.all(many(100, () => server.post(eventBody()))))).toEqual([202]);
    server.queues.hang = false;
    server.queues.failWith = new Error('away');
    expect((await server.post(eventBody())).status).toBe(202);
    server.queues.failWith = null;
  });
});

describe('a database that goes away', () => {
  let server: TestIngest;
  let cluster: TestPostgres;
  beforeAll(async () => {
    cluster = await startTestPostgres();
    await migrate(cluster.url);
    server = await startIngest({ databaseUrl: cluster.url });
  });
  afterAll(async () => {
    await server.close();
    await cluster.remove();
  });

  const untilAccepted = async (within: number): Promise<void> => {
    const started = performance.now();
    await waitFor(async () => (await server.post(eventBody())).status === 202, {
      timeoutMs: within * 2,
      what: '202 again',
    });
    expect(performance.now() - started).toBeLessThan(within);
  };

  it('is answered 503 while it is stopped, and 202 again without a restart', async () => {
    expect((await server.post(eventBody())).status).toBe(202);
    await cluster.stop();
    const started = performance.now();
    const byName = many(20, () => server.post(eventBody()));
    const byId = many(20, () => server.post(eventBody({ domain: undefined, domainId: uuidv7() })));
    for (const answer of await Promise.all([...byName, ...byId]))
      expect(told(answer)).toEqual([503, '2', 'The database is not available; try again']);
    expect(performance.now() - started).toBeLessThan(5000);
    expect(server.queues.groups).toHaveLength(1);
    await cluster.start();
    await untilAccepted(3000);
  });

  it('is survived when it is killed under load: what was answered 202 is there, once', async () => {
    const accepted = new Set<string>();
    const going = new AbortController();
    const sender = async (): Promise<void> => {
      while (!going.signal.aborted) {
        const body = eventBody();
        while (!going.signal.aborted) {
          const { status, body: answer } = await server.post(body);
          expect([202, 503]).toContain(status);
          if (status === 202) accepted.add(String(answer['eventId']));
          if (status === 202) break;
        }
      }
    };
    const senders = many(8, sender);
    await waitFor(() => accepted.size > 100, { what: 'the load' });
    cluster.kill9();
    const before = accepted.size;
    await waitFor(() => accepted.size > before + 200, { timeoutMs: 15_000, what: '202 after the kill' });
    going.abort();
    await Promise.all(senders);
    const rows = await server.db.sql<{ id: string }[]>`select id from certificate_lifecycle_events`;
    const ids = new Set(rows.map(({ id }) => id));
    expect([...accepted].filter((id) => !ids.has(id))).toEqual([]);
    const twice = await server.db.sql`
      select source_event_id from certificate_lifecycle_events group by 1 having count(*) > 1`;
    expect([...twice]).toEqual([]);
  });

  it('is answered 503 within seconds while it is frozen, and 202 as soon as it thaws', async () => {
    const rows = await server.db.sql<{ pid: number }[]>`select pid from pg_stat_activity`;
    const [postmaster] = await server.db.sql<{ pid: number }[]>`
      select split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int as pid`;
    const pids = [...rows.map(({ pid }) => pid), ...(postmaster === undefined ? [] : [postmaster.pid])];
    const known = eventBody();
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    const started = performance.now();
    const waits = (answer: Promise<IngestAnswer>) => answer.then((got) => ({ got, ms: performance.now() - started }));
    const first = [waits(server.post(known)), waits(server.post(eventBody({ domainId: uuidv7() })))];
    const later = new Promise((resolve) => setTimeout(resolve, 1000)).then(() =>
      Promise.all(many(20, () => waits(server.post(eventBody())))),
    );
    try {
      const answers = [...(await Promise.all(first)), ...(await later)];
      expect(new Set(answers.map(({ got }) => JSON.stringify(told(got))))).toEqual(
        new Set([JSON.stringify([503, '2', 'The database does not answer; try again'])]),
      );
      expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(7000);
    } finally {
      for (const pid of pids) process.kill(pid, 'SIGCONT');
    }
    await untilAccepted(3000);
    // Whether or not the commit that was given up went through after all, the event is there once and queued.
    const again = await waitFor(
      async () => {
        const answer = await server.post(known);
        return answer.status === 202 ? answer : null;
      },
      { what: 'the answer to an event that was sent again' },
    );
    const found = await server.db.sql<{ id: string }[]>`
      select id from certificate_lifecycle_events where source_event_id = ${String(known['sourceEventId'])}`;
    expect(found.map(({ id }) => id)).toEqual([again.body['eventId']]);
    await waitFor(
      () => server.queues.groups.flatMap(({ eventIds }) => eventIds).includes(String(again.body['eventId'])),
      {
        what: 'the event to be queued',
      },
    );
  }, 40_000);
});

describe('two processes that write the same identities', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  it('take them in one order, however many domains there are', async () => {
    const db = connectDb(database.url, { max: 1, name: 'writer' });
    for (const [from, to] of [[0, 0] as const, [1, 1000] as const, [1001, 20_000] as const]) {
      await db.sql`
        insert into custom_domains (id, domain, verification_token, tls_status)
        select gen_random_uuid(), 'd' || i || '.example.com', 'token', 'issued' from generate_series(${from}::int, ${to}::int) i`;
      await db.sql`analyze custom_domains`;
      const names = many(100, (index) => `d${(index * 37) % 100}.example.com`);
      const group = names.map((domain, index): NewEvent => {
        const sourceEventId = `${to}-${(index * 61) % 100}`;
        const parsed = parseEvent({ sourceEventId, domain, eventType: 'renewal_succeeded' }, 0);
        return { id: uuidv7(), source: 'a', clusterId: 'b', domain, parsed, provenanceSubject: null, receivedAt: 0 };
      });
      const groupId = uuidv7();
      await appendEvents(db, group, groupId);
      const rows = await db.sql<{ name: string }[]>`
        select source_event_id as name from certificate_lifecycle_events where group_id = ${groupId} order by ctid`;
      const written = rows.map(({ name }) => name);
      expect(written).toHaveLength(100);
      expect(written).toEqual(written.toSorted((a, b) => (a < b ? -1 : 1)));
    }
    await db.sql`truncate certificate_lifecycle_events, cert_sources cascade`;
    await db.close();
  });

  it('never end in a deadlock, and write each once', async () => {
    const pools = [1, 2].map((n) => connectDb(database.url, { max: 4, name: `writer ${n}` }));
    const random = seeded(7);
    const shuffled = <T>(items: readonly T[]): T[] =>
      items
        .map((item) => ({ item, at: random() }))
        .toSorted((a, b) => a.at - b.at)
        .map(({ item }) => item);
    const receivedAt = Date.now();
    const identities = many(120, (index) => ({
      source: ['a', 'a-b', 'a b', 'Ab', 'é', 'z'][index % 6] ?? 'a',
      clusterId: index % 5 === 0 ? null : `c${index % 4}`,
      parsed: parseEvent(
        { sourceEventId: `event-${index}`, domain: `d${index % 9}.example.com`, eventType: 'renewal_succeeded' },
        receivedAt,
      ),
    }));
    const event = (identity: (typeof identities)[number]): NewEvent => ({
      ...identity,
      id: uuidv7(),
      domain: identity.parsed.domain ?? '',
      provenanceSubject: null,
      receivedAt,
    });
    const answers: { identity: string; id: string }[] = [];
    for (let round = 0; round < 40; round += 1) {
      const prefixed = identities.map((identity) => ({
        ...identity,
        parsed: { ...identity.parsed, sourceEventId: `${round}-${identity.parsed.sourceEventId}` },
      }));
      const counted = new Map(
        shuffled(['a:z', 'a-b:c1', 'Ab:c1', 'é:c2', 'z:c3', 'a:c1']).map((key) => [key, 1] as const),
      );
      await Promise.all([
        ...pools.flatMap((db) =>
          many(3, async () => {
            const group = shuffled(prefixed).slice(0, 90).map(event);
            const settled = await appendEvents(db, group, uuidv7());
            settled.forEach((one, index) => {
              const { source, clusterId, parsed } = group[index] ?? event(identities[0] ?? prefixed[0] ?? never());
              if (one.kind === 'conflict') throw new Error('a duplicate was taken for a conflict');
              answers.push({ identity: `${source}|${clusterId}|${parsed.sourceEventId}`, id: one.id });
            });
          }),
        ),
        ...pools.map((db) => addSignatureFailures(db, counted)),
      ]);
    }
    const byIdentity = Map.groupBy(answers, ({ identity }) => identity);
    const split = [...byIdentity].filter(([, given]) => new Set(given.map(({ id }) => id)).size > 1);
    expect(split).toEqual([]);
    const [row] = await (pools[0] ?? never()).sql`select count(*)::int as n from certificate_lifecycle_events`;
    expect(row).toEqual({ n: byIdentity.size });
    const [sources] = await (pools[0] ?? never()).sql`select sum(events_total)::int as n from cert_sources`;
    expect(sources).toEqual({ n: byIdentity.size });
    await Promise.all(pools.map((db) => db.close()));
  }, 30_000);
});

const never = (): never => {
  throw new Error('the list is not empty');
};
