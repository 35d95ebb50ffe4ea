import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Sql } from 'postgres';
import { waitFor } from '../support/wait.ts';
import type { Infrastructure } from './infrastructure.ts';
import type { Case } from './run.ts';
import { startSubject } from './servers.ts';
import { cpuOf, type Measure, percentile } from './stats.ts';
import { domainCount } from './workload.ts';

const single = 40;
/** Seconds over which single deadlines pass: every sweep finds some of them. */
const spreadSeconds = 40;
const settleMs = 15_000;
const part = 'notify';

interface Receiver {
  readonly url: string;
  /** When each domain was first told of, epoch ms. */
  readonly arrived: ReadonlyMap<string, number>;
  /** Posts in all, repeats included. */
  readonly posts: () => number;
  readonly stop: () => Promise<void>;
}

const textOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  // An HTTP request gives buffers as long as no encoding is set.
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
};

const startReceiver = async (): Promise<Receiver> => {
  const arrived = new Map<string, number>();
  let posts = 0;
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    // What the product posts (contract 6).
    const { domain } = JSON.parse(await textOf(request)) as { domain: string };
    posts += 1;
    if (!arrived.has(domain)) arrived.set(domain, Date.now());
    response.writeHead(204).end();
  };
  const server = createServer((request, response) => void take(request, response));
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  // A TCP server has an address of this shape.
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/alerts`,
    arrived,
    posts: () => posts,
    stop: () => new Promise((resolve) => void server.close(() => resolve())),
  };
};

/** Gives domains a deadline, as an event would; each has its own, evenly over `seconds` from now on. */
const setDeadlines = async (sql: Sql, from: number, count: number, seconds: number): Promise<Map<string, number>> => {
  const rows = await sql<{ domain: string; at: number }[]>`
    update custom_domains d set cert_renewal_due_at = u.at, cert_due_current = true, renewal_due_at = u.at, renewal_due_source = 'event',
      look_due_at = u.at
    from (
      select id, now() + ${seconds / count}::float8 * row_number() over (order by domain) * interval '1 second' as at
      from custom_domains order by domain offset ${from} limit ${count}) u
    where d.id = u.id
    returning d.domain, (extract(epoch from d.renewal_due_at) * 1000)::float8 as at`;
  return new Map(rows.map(({ domain, at }) => [domain, at]));
};

const assertSent = async (sql: Sql, { posts }: Receiver, expected: number): Promise<void> => {
  const everythingSent = async (): Promise<boolean> => {
    const [row] = await sql<{ n: number }[]>`
      select count(*)::int as n from certificate_notifications where status = 'sent' and class = 'renewal_sla_breach'`;
    return row?.n === expected;
  };
  await waitFor(everythingSent, { what: `${expected} notifications to be sent` });
  if (posts() !== expected) throw new Error(`${expected} notifications were due, but the receiver got ${posts()}`);
};

/** Deadlines that pass one by one, and all others at once. */
const measure = async (sql: Sql, receiver: Receiver, cpu: () => Record<string, number>): Promise<Measure[]> => {
  const { arrived } = receiver;
  const until = (count: number, timeoutMs: number) =>
    waitFor(() => arrived.size === count, { timeoutMs, what: `${count} pages at the receiver` });
  const due = await setDeadlines(sql, 0, single, spreadSeconds);
  await until(single, 1000 * spreadSeconds + settleMs + 30_000);
  const fired = await sql<{ domain: string; at: number }[]>`
    select d.domain, (extract(epoch from a.fired_at) * 1000)::float8 as at
    from certificate_alerts a join custom_domains d on d.id = a.domain_id`;
  const waits = (since: Iterable<readonly [string, number]>): number[] =>
    [...since].map(([domain, at]) => (arrived.get(domain) ?? Number.NaN) - at).toSorted((a, b) => a - b);
  const row = (subject: string, ms: readonly number[]): Measure => {
    return { part, subject, values: { 'p50 ms': percentile(ms, 0.5), 'max ms': percentile(ms, 1) } };
  };
  const singles = [
    row('sweep → receiver', waits(fired.map(({ domain, at }) => [domain, at]))),
    row('deadline → receiver', waits(due)),
  ];

  const before = cpu();
  await setDeadlines(sql, single, domainCount - single, 0);
  await until(domainCount, settleMs + 120_000);
  const after = cpu();
  const burst = [...arrived.values()].toSorted((a, b) => a - b).slice(single);
  const seconds = ((burst.at(-1) ?? Number.NaN) - (burst[0] ?? Number.NaN)) / 1000;
  const each = Object.entries(after).map(
    ([name, ms]) => [`${name} µs`, (1000 * (ms - (before[name] ?? 0))) / burst.length] as const,
  );
  const rate = { 'notifications/s': burst.length / seconds, ...Object.fromEntries(each) };
  await assertSent(sql, receiver, domainCount);
  return [...singles, { part, subject: `${burst.length} breaches at once`, values: rate }];
};

const startNotifying = (infrastructure: Infrastructure, url: string, profiles: string | null) =>
  startSubject('notafter, Redis', infrastructure, {
    worker: true,
    profiles,
    env: {
      CERT_DEPLOYMENT_ENV: 'prod',
      CERT_ALERT_WEBHOOK_URL: url,
      CERT_ALERT_WEBHOOK_SECRET: 'bench-alert-secret',
      CERT_WEBHOOK_ALLOWED_CIDRS: '127.0.0.1/32',
    },
  });

/** From a deadline that passes in production to the page at a receiver, one at a time and thousands at once. */
export const notify: Case = async (infrastructure, { profiles }) => {
  const receiver = await startReceiver();
  try {
    const running = await startNotifying(infrastructure, receiver.url, profiles);
    const { pid = 0 } = running.worker ?? {};
    try {
      return await measure(running.database.sql, receiver, () => ({ worker: cpuOf(pid), ...infrastructure.cpu() }));
    } finally {
      await running.stop();
    }
  } finally {
    await receiver.stop();
  }
};
