import postgres from 'postgres';
import { signEvent } from '../../src/lifecycle/signature.ts';
import type { Random } from '../chaos/random.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { type App, startApp } from '../support/process.ts';

export const ingestPath = '/v1/domains/cert-events';
export const ingestToken = 'ingest-token-of-the-fuzzer';
export const adminToken = 'admin-token-of-the-fuzzer';
export const viewerToken = 'viewer-token-of-the-fuzzer';
export const secret = 'secret of the fuzzer';
export const source = 'certbot';
export const cluster = 'eu-1';

/** The program under test, as it is shipped, on a database of its own. */
export interface Stage {
  readonly app: App;
  readonly port: number;
  readonly sql: postgres.Sql;
  /** Rows of every table. */
  countRows(): Promise<Readonly<Record<string, number>>>;
  /** Whether the program still takes a good event. */
  isWell(): Promise<boolean>;
  close(): Promise<void>;
}

/** Headers that sign these bytes now. */
export const signedHeaders = (body: Uint8Array, at: number): Record<string, string> => {
  const timestamp = String(Math.floor(at / 1000));
  return {
    'x-cert-event-token': ingestToken,
    'x-cert-source': source,
    'x-cert-cluster': cluster,
    'x-cert-timestamp': timestamp,
    'x-cert-signature': signEvent(secret, timestamp, Buffer.from(body)),
  };
};

/** A body that is accepted, of one of many shapes. */
export const goodBody = (random: Random): Record<string, unknown> => {
  const id = Array.from({ length: 4 }, () => random.between(0, 2 ** 31).toString(36)).join('-');
  const body: Record<string, unknown> = {
    source,
    clusterId: cluster,
    sourceEventId: id,
    domain: `d${random.between(0, 999)}.example.com`,
    eventType: random.pick(['issuance_succeeded', 'renewal_succeeded', 'renewal_failed', 'certificate_expiring']),
  };
  if (random.chance(0.4)) body['reason'] = 'x'.repeat(random.between(0, 400));
  if (random.chance(0.3)) body['notAfter'] = 1_900_000_000_000 + random.between(0, 1e9);
  if (random.chance(0.3))
    body['payload'] = { attempt: random.between(0, 9), note: 'ünïcode ✓', list: [1, [2, { a: null }]] };
  return body;
};

const environment = (database: string) => ({
  DATABASE_URL: database,
  CERT_EVENT_INGEST_TOKEN: ingestToken,
  CERT_EVENT_SOURCE_KEYS: `${source}:${cluster}=${secret}`,
  CERT_ADMIN_TOKENS: `fuzzer:admin:${adminToken},reader:viewer:${viewerToken}`,
  // Who is only guessed at is refused sooner, and nothing else would be tried.
  CERT_INGEST_FAILURES_PER_MINUTE: '1000000',
  CERT_PROBE_FALLBACK_ENABLED: 'false',
  // Nobody listens there: what is to be told stays to be told.
  CERT_RUNBOOK_WEBHOOK_URL: 'http://127.0.0.1:1/',
  CERT_RUNBOOK_SIGNING_SECRET: 'signing secret of the fuzzer',
  NOTAFTER_HOST: '127.0.0.1',
  NOTAFTER_LOG_LEVEL: 'warn',
  NODE_OPTIONS: '--max-old-space-size=512',
});

/** Starts the program; `all` where answers of a worked-off queue are wanted, too. */
export const openStage = async (role: 'serve' | 'all', env: Readonly<Record<string, string>> = {}): Promise<Stage> => {
  const database = await createTestDatabase();
  const app = await startApp(role, { env: { ...environment(database.url), ...env } });
  const sql = postgres(database.url, { max: 2, onnotice: () => undefined });
  let good = 0;
  return {
    app,
    port: Number(new URL(app.url).port),
    sql,
    countRows: async () => {
      const tables = await sql<{ name: string }[]>`
        select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`;
      const counts: Record<string, number> = {};
      for (const { name } of tables) {
        const [row] = await sql<{ n: number }[]>`select count(*)::int as n from ${sql(name)}`;
        counts[name] = row?.n ?? -1;
      }
      return counts;
    },
    isWell: async () => {
      if (app.hasExited()) return false;
      good += 1;
      const event = { source, clusterId: cluster, sourceEventId: `well-${good}`, domain: 'well.example.com' };
      const body = Buffer.from(JSON.stringify({ ...event, eventType: 'renewal_succeeded' }));
      const headers = { 'content-type': 'application/json', ...signedHeaders(body, Date.now()) };
      const answer = await fetch(app.url + ingestPath, { method: 'POST', headers, body });
      return answer.status === 202;
    },
    close: async () => {
      await sql.end();
      await app.kill9();
      await database.drop();
    },
  };
};
