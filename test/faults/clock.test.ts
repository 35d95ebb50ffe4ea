import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import postgres from 'postgres';
import { describe, expect, it, onTestFinished } from 'vitest';
import { credentials, eventBody, register, send } from '../support/driver.ts';
import { clockFrom } from '../support/faketime.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { startApp } from '../support/process.ts';
import { waitFor } from '../support/wait.ts';

const hour = 3600;

describe('a host whose clock is wrong', { timeout: 90_000 }, () => {
  it.each([hour, -hour])('by %i seconds makes no difference, and can be seen', async (ahead) => {
    const dir = mkdtempSync(path.join(tmpdir(), 'notafter-clock-'));
    const database = await createTestDatabase();
    const sql = postgres(database.url, { max: 1, onnotice: () => undefined });
    onTestFinished(async () => {
      await sql.end({ timeout: 1 });
      await database.drop();
      rmSync(dir, { recursive: true, force: true });
    });
    const file = path.join(dir, 'clock');
    writeFileSync(file, `${ahead < 0 ? '' : '+'}${ahead}s\n`);
    const env = { ...credentials, ...clockFrom(file), DATABASE_URL: database.url, CERT_WORKER_INTERVAL_SECONDS: '1' };
    const app = await startApp('all', { env: { ...env, CERT_PROBE_FALLBACK_ENABLED: 'false' } });
    onTestFinished(() => app.kill9().then(() => undefined));

    const domain = await register(app.url, 'clock.example');
    const { status, body } = await send(app.url, eventBody(domain, 'renewal_succeeded'));
    expect(status).toBe(202);
    const received = await waitFor(
      async () => {
        const [row] = await sql<{ late: number }[]>`
          select abs(extract(epoch from now() - created_at))::float8 as late from certificate_lifecycle_events
          where id = ${String(body['eventId'])} and status = 'applied'`;
        return row;
      },
      { timeoutMs: 20_000, what: 'the event to be applied' },
    );
    expect(received.late).toBeLessThan(60);

    await sql`update custom_domains set look_due_at = now() - interval '1 second' where domain = ${domain}`;
    await waitFor(async () => (await sql`select 1 from domain_clocks where look_due_at <= now()`).length === 0, {
      timeoutMs: 20_000,
      what: 'what is due to be settled',
    });

    const { headers } = await fetch(`${app.url}/readyz`);
    expect(Math.abs(Date.parse(headers.get('date') ?? '') - Date.now())).toBeLessThan(60_000);
    const metrics = await (await fetch(`${app.metricsUrl}/metrics`)).text();
    const skew = Number(/^fdt_cert_clock_skew_seconds (\S+)$/m.exec(metrics)?.[1]);
    expect(Math.abs(skew - ahead)).toBeLessThan(60);
    expect(app.output()).toMatch(new RegExp(`"secondsAhead":${ahead < 0 ? '-' : ''}3\\d{3},`));
  });
});
