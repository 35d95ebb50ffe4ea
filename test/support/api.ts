import { randomUUID } from 'node:crypto';
import { Hono } from 'hono';
import { pino } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import { parseConfig } from '../../src/config.ts';
import type { Ctx } from '../../src/context.ts';
import { connectDb, type Db } from '../../src/db/client.ts';
import { customDomains, events, incidents } from '../../src/db/schema.ts';
import type { HttpEnv } from '../../src/http/env.ts';
import { onError } from '../../src/http/problem.ts';
import type { Role } from '../../src/lifecycle/access.ts';
import { createMetrics } from '../../src/metrics.ts';
import type { EventJob, QueueDepth, Queues } from '../../src/queues/queues.ts';
import { createTestDatabase } from './postgres.ts';

/** Queues that keep what they are given; `failWith` makes every call fail, `hang` makes them never answer. */
export class RecordingQueues implements Queues {
  readonly backend = 'postgres';
  readonly groups: { groupId: string; eventIds: readonly string[] }[] = [];
  readonly jobs: EventJob[] = [];
  readonly probes: { ids: readonly string[]; asked: boolean }[] = [];
  settleKicks = 0;
  replayKicks = 0;
  readonly deliveryKicks: string[] = [];
  depth: readonly QueueDepth[] = [];
  failWith: Error | null = null;
  hang = false;

  private async answer<T>(value: () => T): Promise<T> {
    if (this.hang) await new Promise(() => undefined);
    if (this.failWith !== null) throw this.failWith;
    return value();
  }
  enqueueGroup(groupId: string, eventIds: readonly string[]): Promise<void> {
    return this.answer(() => void this.groups.push({ groupId, eventIds }));
  }
  enqueueEvents(jobs: readonly EventJob[]): Promise<void> {
    return this.answer(() => void this.jobs.push(...jobs));
  }
  async enqueueOpened(_groupId: string, generation: number, ids: readonly string[]): Promise<void> {
    await this.enqueueEvents(ids.map((id) => ({ id, generation, tries: 0, delayMs: 0 })));
  }
  enqueueProbes(ids: readonly string[], asked: boolean): Promise<void> {
    return this.answer(() => void this.probes.push({ ids, asked }));
  }
  unfinishedProbes(): Promise<number> {
    return this.answer(() => 0);
  }
  kickSettle(): void {
    this.settleKicks += 1;
  }
  kickReplay(): void {
    this.replayKicks += 1;
  }
  kickDelivery(channels: readonly string[]): void {
    this.deliveryKicks.push(...channels);
  }
  carried(): Promise<ReadonlySet<string>> {
    return this.answer(() => new Set<string>());
  }
  depths(): Promise<readonly QueueDepth[]> {
    return this.answer(() => this.depth);
  }
  board(): never[] {
    return [];
  }
  ping(): Promise<void> {
    return this.answer(() => undefined);
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** The token that a role is known by. */
export const tokenOf = (role: Role): string => `${role}-token-of-the-test`;

export interface ApiAnswer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

export interface ApiCall {
  /** The role whose token is presented; null presents none. */
  readonly role?: Role | null;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface TestApi {
  readonly db: Db;
  readonly ctx: Ctx;
  readonly queues: RecordingQueues;
  readonly app: Hono<HttpEnv>;
  /** Moves the clock that the API reads (epoch ms). */
  setNow(now: number): void;
  call<T = Record<string, unknown>>(method: string, path: string, call?: ApiCall): Promise<ApiAnswer<T>>;
  close(): Promise<void>;
}

/** The routes on a database of their own, with one token per role, named after it; the clock stands still at `now`. */
export const createTestApi = async (routes: readonly Hono<HttpEnv>[], now: number): Promise<TestApi> => {
  const database = await createTestDatabase();
  const db = connectDb(database.url, { max: 4, name: 'test' });
  const queues = new RecordingQueues();
  const roles: readonly Role[] = ['viewer', 'operator', 'admin'];
  const tokens = roles.map((role) => `${role}:${role}:${tokenOf(role)}`).join(',');
  let clock = now;
  const ctx: Ctx = {
    config: parseConfig({ CERT_ADMIN_TOKENS: tokens }, () => ''),
    db,
    queues,
    log: pino({ level: 'silent' }),
    metrics: createMetrics(),
    now: () => clock,
    elapsed: () => performance.now(),
    resolveTxt: () => Promise.resolve([]),
  };
  const app = new Hono<HttpEnv>();
  app.onError(onError);
  app.use(async (c, next) => {
    c.set('ctx', ctx);
    await next();
  });
  for (const route of routes) app.route('/', route);
  return {
    db,
    ctx,
    queues,
    app,
    setNow: (value) => {
      clock = value;
    },
    call: async (method: string, path: string, { role = 'admin', body, headers = {} }: ApiCall = {}) => {
      const response = await app.request(path, {
        method,
        headers: {
          ...(role !== null && { authorization: `Bearer ${tokenOf(role)}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
    },
    close: async () => {
      await db.close();
      await database.drop();
    },
  };
};

type NewEventRow = typeof events.$inferInsert;

/** A UUIDv7 of this millisecond. */
export const idAt = (ms: number): string => uuidv7({ msecs: ms });

/** An event for the ledger, received at `at` (epoch ms), resolved and applied unless said otherwise. */
export const eventOf = (at: number, values: Partial<NewEventRow> = {}): NewEventRow => {
  const time = new Date(at);
  const applied = values.status === undefined || values.status === 'applied';
  return {
    id: idAt(at),
    source: 'certbot',
    cluster_id: 'eu',
    source_event_id: randomUUID(),
    domain: 'a.example.com',
    domain_id: randomUUID(),
    event_type: 'renewal_succeeded',
    status: 'applied',
    outcome: applied ? 'applied' : null,
    occurred_at: time,
    group_id: uuidv7(),
    content_hash: Buffer.from('00', 'hex'),
    created_at: time,
    updated_at: time,
    processed_at: applied ? time : null,
    ...values,
  };
};

/** An incident, raised at `at` (epoch ms), open unless said otherwise. */
export const incidentOf = (
  at: number,
  values: Partial<typeof incidents.$inferInsert> = {},
): typeof incidents.$inferInsert => ({
  id: idAt(at),
  domain_id: randomUUID(),
  domain: `${randomUUID()}.example.com`,
  incident_type: 'renewal_failed',
  tier: 2,
  context: {},
  created_at: new Date(at),
  updated_at: new Date(at),
  ...values,
});

/** A verified domain with a route. */
export const domainOf = (
  values: Partial<typeof customDomains.$inferInsert> = {},
): typeof customDomains.$inferInsert => ({
  id: uuidv7(),
  domain: `${randomUUID()}.example.com`,
  verified: true,
  verification_token: 'token',
  region: 'eu',
  tls_status: 'issued',
  ...values,
});
