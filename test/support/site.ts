import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { type RunningApp, startApp } from '../../src/app.ts';
import { parseConfig } from '../../src/config.ts';
import { admin, type Answer, credentials, eventBody, send } from './driver.ts';
import { openLedger, type Sql } from './ledger.ts';
import { createTestDatabase } from './postgres.ts';
import { startRedis } from './redis.ts';
import { withLeastRights } from './rights.ts';

export const backends = ['redis', 'postgres'] as const;
export type Backend = (typeof backends)[number];

/** The product in this process, on a database of its own, with sweeps every second and no probes unless `env` asks for them. */
export interface Site {
  readonly app: RunningApp;
  readonly url: string;
  readonly sql: Sql;
  readonly adminToken: string;
  /** What the processes of this site are given. */
  readonly env: Readonly<Record<string, string>>;
  readonly admin: (method: string, path: string, body?: unknown) => Promise<Answer>;
  /** Sends an event and wants it accepted. */
  readonly tell: (domain: string, eventType: string, rest?: Readonly<Record<string, unknown>>) => Promise<void>;
  readonly metrics: () => Promise<string>;
  readonly close: () => Promise<void>;
}

export const openSite = async (backend: Backend, given: Readonly<Record<string, string>>): Promise<Site> => {
  const database = await createTestDatabase();
  const redis = backend === 'redis' ? await startRedis() : null;
  const dataDir = mkdtempSync(path.join(tmpdir(), 'notafter-site-'));
  const sql = await openLedger(database.url);
  const env = {
    ...credentials,
    DATABASE_URL: database.url,
    ...(redis !== null && { REDIS_URL: redis.url }),
    NOTAFTER_HOST: '127.0.0.1',
    NOTAFTER_DATA_DIR: dataDir,
    CERT_WORKER_INTERVAL_SECONDS: '1',
    CERT_PROBE_FALLBACK_ENABLED: 'false',
    ...given,
  };
  const app = await startApp(
    parseConfig(withLeastRights({ PORT: '0', CERT_METRICS_PORT: '0', ...env }), () => ''),
    { api: true, worker: true },
    pino({ level: process.env['SITE_LOG'] ?? 'silent' }),
  );
  const url = `http://127.0.0.1:${app.port}`;
  return {
    app,
    url,
    sql,
    adminToken: credentials.CERT_ADMIN_TOKENS.split(':')[2] ?? '',
    env,
    admin: (method, at, body) => admin(url, method, at, body),
    tell: async (domain, eventType, rest) => {
      const answer = await send(url, eventBody(domain, eventType, rest));
      if (answer.status !== 202)
        throw new Error(`an event was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    },
    metrics: async () => (await fetch(`http://127.0.0.1:${app.metricsPort}/metrics`)).text(),
    close: async () => {
      await app.stop();
      await sql.end();
      await database.drop();
      await redis?.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
};
