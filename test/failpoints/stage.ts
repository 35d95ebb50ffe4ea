import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { type Receiver, startReceiver } from '../notify/receiver.ts';
import { type Child, startChild } from '../support/child.ts';
import { plantDeadLetters } from '../support/dead-letters.ts';
import { admin, credentials, eventBody, mixedEvents, register, registerMany, send } from '../support/driver.ts';
import { openLedger, type Sql } from '../support/ledger.ts';
import { freePort } from '../support/ports.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';
import { failpointBuild } from './build.ts';

type Environment = Readonly<Record<string, string>>;

/** A process of the failpoint build. */
export interface Victim extends Child {
  readonly url: string;
  readonly metricsUrl: string;
}

/** Servers of its own, an API that stays, and ways to make things happen at which processes die. */
export interface Stage {
  readonly sql: Sql;
  readonly redis: TestRedis;
  readonly receiver: Receiver;
  readonly api: Victim;
  readonly domains: readonly string[];
  /** A domain whose every change fails. */
  readonly poisoned: string;
  start(role: 'serve' | 'work' | 'migrate', options?: { failpoints?: string; env?: Environment }): Promise<Victim>;
  ask<T>(question: (redis: Redis) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const quick: Environment = {
  CERT_EVENT_BASE_BACKOFF_SECONDS: '1',
  CERT_EVENT_MAX_RETRIES: '1',
  CERT_WORKER_INTERVAL_SECONDS: '1',
  CERT_PROBE_FALLBACK_ENABLED: 'false',
  CERT_PROBE_ALLOWED_CIDRS: '127.0.0.0/8',
  CERT_DLQ_REPLAY_COOLDOWN_SECONDS: '1',
  NOTAFTER_LOG_LEVEL: 'warn',
};

export const untilReady = (victim: Victim): Promise<unknown> =>
  waitFor(async () => victim.hasExited() || (await fetch(`${victim.metricsUrl}/readyz`)).ok, {
    timeoutMs: 120_000,
    what: 'a process to be ready',
  });

/** Every change of this domain fails from now on, for a reason that the product does not know. */
const poison = (sql: Sql, domain: string) =>
  sql.unsafe(`
    create function poison() returns trigger language plpgsql as $$
      begin if new.domain = '${domain}' then raise exception 'a slow moment'; end if; return new; end $$;
    create trigger poison before update on custom_domains for each row execute function poison();`);

const registered = async (api: Victim, sql: Sql) => {
  const domains = await registerMany(api.url, 120, 'failpoint.example');
  const poisoned = await register(api.url, 'poison.example.net');
  await poison(sql, poisoned);
  return { domains, poisoned };
};

export const openStage = async (): Promise<Stage> => {
  const [cli, database, redis, receiver] = await Promise.all([
    failpointBuild(),
    createTestDatabase(),
    startRedis(),
    startReceiver(),
  ]);
  const sql = await openLedger(database.url);
  const dataDir = mkdtempSync(path.join(tmpdir(), 'notafter-stage-'));
  const running: Victim[] = [];
  const start: Stage['start'] = async (role, { failpoints = '', env = {} } = {}) => {
    const [port, metricsPort] = [await freePort(), await freePort()];
    const own = {
      PATH: process.env['PATH'] ?? '',
      HOME: process.env['HOME'] ?? tmpdir(),
      PORT: String(port),
      CERT_METRICS_PORT: String(metricsPort),
      NOTAFTER_HOST: '127.0.0.1',
      NOTAFTER_DATA_DIR: dataDir,
      NOTAFTER_FAILPOINTS: failpoints,
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      CERT_ALERT_WEBHOOK_URL: `http://127.0.0.1:${receiver.port}/alerts`,
    };
    const child = startChild(process.execPath, [cli, role], { env: { ...credentials, ...quick, ...own, ...env } });
    const victim = { ...child, url: `http://127.0.0.1:${port}`, metricsUrl: `http://127.0.0.1:${metricsPort}` };
    running.push(victim);
    return victim;
  };
  const client = new Redis(redis.url, { maxRetriesPerRequest: 1 });
  const api = await start('serve');
  await untilReady(api);
  return {
    sql,
    redis,
    receiver,
    api,
    ...(await registered(api, sql)),
    start,
    ask: (question) => question(client),
    close: async () => {
      client.disconnect();
      await Promise.all(running.map((one) => one.kill9()));
      await sql.end({ timeout: 1 });
      await Promise.all([database.drop(), redis.stop(), receiver.close()]);
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
};

/** Senders' events: of every type, out of order. */
export const eventsOf = ({ domains }: Stage, seed: number) => mixedEvents(domains, seed);

const bodyOf = (stage: Stage, domain: string) => send(stage.api.url, eventBody(domain, 'renewal_failed'));

/** How a window is brought about while the process that is to die in it runs; called again until it is dead. */
export type Provoke = (stage: Stage, victim: Victim) => Promise<unknown>;

/** The senders do it. */
export const load: Provoke = () => Promise.resolve();

export const poisonedEvent: Provoke = (stage) => bodyOf(stage, stage.poisoned);

/** A failed event that is sent again. */
export const sentAgain: Provoke = async (stage, victim) => {
  const body = eventBody(stage.poisoned, 'renewal_failed');
  const { body: answer } = await send(stage.api.url, body);
  await stage.sql`
    update certificate_lifecycle_events set status = 'failed', retry_count = 1, last_error = 'tried', error_class = 'internal'
    where id = ${String(answer['eventId'])} and status = 'pending'`;
  await send(victim.url, body);
};

/** A domain that is registered after its first event. */
export const lateRegistration: Provoke = async (stage, victim) => {
  const domain = `${randomUUID()}.late.example`;
  await bodyOf(stage, domain);
  await register(victim.url, domain);
};

/** A dead letter that somebody replays by itself. */
export const oneReplay: Provoke = async (stage, victim) => {
  const [id] = await plantDeadLetters(stage.sql, { count: 1, domains: stage.domains, source: 'one' });
  await admin(victim.url, 'POST', `/cert-events/${id}/replay`, { reason: 'try again' });
};

/** A bulk replay, one at a time, of what the replay policy leaves alone. */
export const bulkReplay: Provoke = async (stage) => {
  const [live] = await stage.sql`select 1 from replays where state = 'running' and looked < total`;
  if (live !== undefined) return;
  const source = `bulk-${randomUUID().slice(0, 8)}`;
  await plantDeadLetters(stage.sql, { count: 300, domains: stage.domains, source, errorClass: 'invalid' });
  await admin(stage.api.url, 'POST', '/cert-events/replay', { all: true, source, ratePerSecond: 100 });
};

/** A dead letter that somebody retries in the queue itself; not those that a bulk replay has planned to open. */
export const retriedInQueue: Provoke = async (stage) => {
  await bodyOf(stage, stage.poisoned);
  const dead = await stage.sql<{ job: string }[]>`
    select id || '-' || generation as job from certificate_lifecycle_events
    where domain = ${stage.poisoned} and status = 'failed' order by id limit 5`;
  const queue = new Queue('cert-events', { connection: { url: stage.redis.url }, prefix: '{notafter}' });
  try {
    for (const { job } of dead) await (await queue.getJob(job))?.retry('failed');
  } finally {
    await queue.close();
  }
};

/** Pending events that no queue carries: those of groups, single ones, and those that a registration has left behind. */
export const orphans: Provoke = async (stage) => {
  const planting = { count: 6, domains: stage.domains, source: 'orphan' };
  const ids = await plantDeadLetters(stage.sql, planting);
  const left = await plantDeadLetters(stage.sql, { ...planting, count: 3, errorClass: 'unresolved' });
  await stage.sql`
    update certificate_lifecycle_events set status = 'pending', retry_count = 0, processed_at = null, last_error = null,
      error_class = null, error_pattern = null, generation = case when id = any(${ids.slice(0, 3)}::uuid[]) then 0 else 1 end
    where id = any(${ids}::uuid[])`;
  await stage.sql`update certificate_lifecycle_events set domain_id = null where id = any(${left}::uuid[])`;
};

export const flush: Provoke = (stage) => stage.ask((redis) => redis.flushall());

/** A look at a domain that somebody asks for; nobody listens there. */
export const askedProbe: Provoke = async (stage) => {
  const domain = await register(stage.api.url, `${randomUUID()}.probe.example`, { probeAddress: ['127.0.0.1:9'] });
  await admin(stage.api.url, 'POST', `/domains/${domain}/probe`, {});
};

/** Notices that wait for their delivery: a failed renewal of a domain that was well. */
export const notices: Provoke = async (stage) => {
  const domain = await register(stage.api.url, `${randomUUID()}.notice.example`);
  await bodyOf(stage, domain);
};
