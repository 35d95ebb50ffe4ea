import { boardRoutes } from '../../src/http/bull-board-rules.ts';
import { samplePath } from '../../src/http/rules.ts';
import { openQueues, type OpenQueues } from '../../src/queues/open.ts';
import { type JobQueue, postgresStore, redisStore } from '../../src/queues/store.ts';
import { eventBody, register, send } from './driver.ts';
import type { Sql } from './ledger.ts';
import { type Backend, openSite, type Site } from './site.ts';
import { waitFor } from './wait.ts';

/** Tokens of the three roles. */
export const boardTokens = {
  admin: 'admin-token-of-the-test',
  operator: 'operator-token-of-the-test',
  viewer: 'viewer-token-of-the-test',
} as const;
export type BoardRole = keyof typeof boardTokens;

const isBoardRole = (role: string): role is BoardRole => role in boardTokens;

export interface BoardAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: () => Readonly<Record<string, unknown>>;
}

/** A site with a token for each role, the queue of events in the test's own hand, and a caller of Bull Board. */
export interface BoardSite extends Site {
  readonly queue: JobQueue;
  readonly queues: OpenQueues;
  /** Calls the board as a role, a bearer token or nobody (null). `path` is below the board's address. */
  readonly board: (
    role: BoardRole | null,
    method: string,
    path: string,
    more?: { readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown },
  ) => Promise<BoardAnswer>;
  /** Dead letters of domains of their own, with their jobs in the failed set. */
  readonly deadLetters: (count: number) => Promise<string[]>;
  /** Makes spoiled events ones that can be applied. */
  readonly mend: (ids: readonly string[]) => Promise<unknown>;
}

export const boardHome = '/console/bull-board';

let made = 0;

/** Events that the ledger holds in a form that cannot be applied: dead letters at once. */
const spoil = async (site: Site, count: number): Promise<string[]> => {
  const domains = Array.from({ length: count }, () => `b${(made += 1)}.board.example`);
  await Promise.all(domains.map((domain) => register(site.url, domain)));
  // The worker waits behind the domains' rows until the ledger says something that it cannot apply.
  return site.sql.begin(async (tx) => {
    await tx`select 1 from custom_domains where domain = any(${domains}) order by id for update`;
    const answers = await Promise.all(domains.map((domain) => send(site.url, eventBody(domain, 'renewal_failed'))));
    const ids = answers.map(({ body }) => String(body['eventId']));
    await tx`update certificate_lifecycle_events set event_type = 'revoked' where id = any(${ids}::uuid[])`;
    return ids;
  });
};

export const openBoardSite = async (
  backend: Backend,
  given: Readonly<Record<string, string>> = {},
): Promise<BoardSite> => {
  const tokens = {
    CERT_ADMIN_TOKENS: `ada:admin:${boardTokens.admin},olaf:operator:${boardTokens.operator},vera:viewer:${boardTokens.viewer}`,
  };
  const site = await openSite(backend, { ...tokens, ...given });
  const { DATABASE_URL: database = '', REDIS_URL: redis } = site.env;
  const ignore = (): undefined => undefined;
  const store = redis === undefined ? postgresStore(database, 3, ignore) : redisStore(redis, '{notafter}', ignore);
  await store.check();
  const queue = await store.queue('cert-events', {});
  const queues = openQueues(store, 6);
  return {
    ...site,
    queue,
    queues,
    board: async (role, method, path, { headers = {}, body } = {}) => {
      const response = await fetch(`${site.url}${boardHome}${path}`, {
        method,
        redirect: 'manual',
        headers: {
          ...(role !== null && { authorization: `Bearer ${boardTokens[role]}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(20_000),
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) };
    },
    deadLetters: async (count) => {
      const ids = await spoil(site, count);
      await waitFor(
        async () =>
          (await Promise.all(ids.map((id) => queue.getJobState(`${id}-0`)))).every((state) => state === 'failed'),
        { what: 'the dead letters in the failed set' },
      );
      return ids;
    },
    mend: (ids) =>
      site.sql`update certificate_lifecycle_events set event_type = 'renewal_failed' where id = any(${[...ids]}::uuid[])`,
    close: async () => {
      await queue.close();
      await queues.close();
      await store.close();
      await site.close();
    },
  };
};

const alive = new Set(['waiting', 'active', 'delayed', 'prioritized']);

/** Where ledger and queue say different things of an event; none when they agree. */
export const disagreements = async (sql: Sql, queue: JobQueue): Promise<string[]> => {
  const events = await sql<{ id: string; status: string; generation: number; grouped: boolean; group_id: string }[]>`
    select id, status, generation, group_id, retry_count = 0 and generation = 0 as grouped from certificate_lifecycle_events`;
  const byJob = new Map(events.map((event) => [`${event.id}-${event.generation}`, event]));
  const found: string[] = [];
  for (const [jobId, { status, grouped, group_id }] of byJob) {
    const state = await queue.getJobState(jobId);
    if (status === 'failed' && state !== 'failed') found.push(`${jobId} is failed, its job ${state}`);
    if (status === 'pending' && !alive.has(state) && !(grouped && alive.has(await queue.getJobState(group_id))))
      found.push(`${jobId} is pending, its job ${state}`);
    if (status === 'applied' && (alive.has(state) || state === 'failed'))
      found.push(`${jobId} is applied, its job ${state}`);
  }
  const shown = (await queue.getJobs(['failed'], 0, -1)).filter(({ name }) => name === 'apply-event');
  for (const { id = '' } of shown) {
    if (byJob.get(id)?.status !== 'failed') found.push(`the failed job ${id} is not a dead letter`);
  }
  return found;
};

/** Waits until ledger and queue agree. */
export const untilAgreed = ({ sql, queue }: Pick<BoardSite, 'sql' | 'queue'>, timeoutMs = 40_000): Promise<unknown> =>
  waitFor(
    async () => {
      const found = await disagreements(sql, queue);
      if (found.length > 0) throw new Error(found.join('; '));
      return true;
    },
    { timeoutMs, intervalMs: 200, what: 'ledger and queue to agree' },
  );

/** The routes of the package that change something, with parameters that hit nothing, and who may use them. */
export const boardChanges = boardRoutes
  .filter(({ method }) => method !== 'get')
  .map(({ method, path, rule }) => ({
    method: method.toUpperCase(),
    route: path,
    path: samplePath(path, (name) =>
      name === 'queueName' ? 'cert-events' : name === 'queueStatus' ? 'failed' : 'none',
    ),
    may: (role: string): boolean =>
      isBoardRole(role) &&
      rule.role !== null &&
      (role === 'admin' || (role === 'operator' && rule.role === 'operator')),
  }));
