import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Receiver, startReceiver } from '../notify/receiver.ts';
import { credentials, eventBody, registerMany, send } from '../support/driver.ts';
import { openLedger, type Sql } from '../support/ledger.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { type App, startApp } from '../support/process.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';

describe('notices while workers are killed', () => {
  let database: TestDatabase;
  let redis: TestRedis;
  let receiver: Receiver;
  let sql: Sql;
  let env: Readonly<Record<string, string>>;
  const running: App[] = [];
  const start = async (role: 'all' | 'work'): Promise<App> => {
    const app = await startApp(role, { env });
    running.push(app);
    return app;
  };
  beforeAll(async () => {
    [database, redis, receiver] = await Promise.all([createTestDatabase(), startRedis(), startReceiver()]);
    sql = await openLedger(database.url);
    env = {
      ...credentials,
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      NOTAFTER_HOST: '127.0.0.1',
      CERT_WORKER_INTERVAL_SECONDS: '1',
      CERT_PROBE_FALLBACK_ENABLED: 'false',
      CERT_ALERT_WEBHOOK_URL: `http://127.0.0.1:${receiver.port}/alerts`,
    };
  });
  afterAll(async () => {
    await Promise.all(running.filter((app) => !app.hasExited()).map((app) => app.stop()));
    await sql.end();
    await Promise.all([database.drop(), redis.stop(), receiver.close()]);
  });

  it('each is decided once, sent with one id, and counted once', async () => {
    receiver.behave({ kind: 'silent' });
    const api = await start('all');
    const worker = await start('work');
    const names = await registerMany(api.url, 40, 'kill.example');
    const answers = await Promise.all(names.map((domain) => send(api.url, eventBody(domain, 'renewal_failed'))));
    expect(answers.every(({ status }) => status === 202)).toBe(true);
    await waitFor(() => receiver.received.length >= 8, { what: 'tries under way' });
    await worker.kill9();
    await api.kill9();
    receiver.behave({ kind: 'accept' });
    await Promise.all([start('all'), start('work')]);
    await waitFor(
      async () => {
        const [left] = await sql`select count(*)::int as n from certificate_notifications where status = 'sent'`;
        if (left?.['n'] !== names.length) throw new Error(JSON.stringify(left));
        return true;
      },
      { timeoutMs: 60_000, what: 'all to be sent' },
    );
    expect(await sql`select count(*)::int as n from certificate_notifications`).toMatchObject([{ n: names.length }]);
    const ids = Map.groupBy(receiver.received, ({ body }) => (JSON.parse(body) as { domain: string }).domain); // our own body
    expect(ids.size).toBe(names.length);
    for (const [, tries] of ids) expect(new Set(tries.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(await sql`select value::int from counters where name = 'fdt_cert_alerts_sent_total'`).toMatchObject([
      { value: names.length },
    ]);
  }, 120_000);
});
