import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readGauges } from '../../src/db/gauges.ts';
import { certSources, customDomains, events } from '../../src/db/schema.ts';
import { readSilentSources } from '../../src/db/self-watch.ts';
import { renderMetrics } from '../../src/http/metrics-collect.ts';
import { tlsStatuses } from '../../src/lifecycle/types.ts';
import { createTestApi, domainOf, eventOf, type TestApi } from '../support/api.ts';

const now = Date.UTC(2026, 4, 1, 12);
const hour = 3_600_000;

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi([], now);
});
afterAll(() => api.close());

const sampleOf = (text: string, series: string): number => {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1));
};

describe('gauges', () => {
  it('are zeros on an empty database, with every status', async () => {
    const gauges = await readGauges(api.db, now, 72);
    expect([...gauges.domains]).toEqual(tlsStatuses.map((status) => [status, 0]));
    expect(gauges).toMatchObject({
      eventsPending: 0,
      eventsFailed: 0,
      slaWarning: 0,
      slaBreach: 0,
      oldestPendingAt: null,
    });
  });

  it('count domains, events and renewals that are due', async () => {
    const due = (offset: number, values = {}) => domainOf({ renewal_due_at: new Date(now + offset), ...values });
    await api.db.orm
      .insert(customDomains)
      .values([
        due(-hour),
        due(0),
        due(1),
        due(72 * hour),
        due(72 * hour + 1),
        due(-hour, { verified: false }),
        due(-hour, { tls_mode: 'passthrough', tls_status: 'passthrough_unverified' }),
        domainOf({ tls_status: 'tls_error' }),
      ]);
    await api.db.orm
      .insert(events)
      .values([
        eventOf(now - 3000),
        eventOf(now - 2000, { status: 'failed' }),
        eventOf(now - 1500, { status: 'pending' }),
        eventOf(now - 1000, { status: 'pending' }),
      ]);
    const gauges = await readGauges(api.db, now, 72);
    expect(gauges).toMatchObject({
      eventsPending: 2,
      eventsFailed: 1,
      slaBreach: 2,
      slaWarning: 2,
      oldestPendingAt: now - 1500,
    });
    expect(Object.fromEntries(gauges.domains)).toMatchObject({
      issued: 6,
      tls_error: 1,
      passthrough_unverified: 1,
      expiring: 0,
    });
  });

  it('reach the exposition, in one order, with the time they were read', async () => {
    api.queues.depth = [{ queue: 'cert-events', state: 'wait', jobs: 3 }];
    const text = await renderMetrics(api.ctx);
    expect(sampleOf(text, 'fdt_cert_domains_total{status="issued"}')).toBe(6);
    expect(sampleOf(text, 'fdt_cert_domains_total{status="pending_issue"}')).toBe(0);
    expect(sampleOf(text, 'fdt_cert_events_pending_total')).toBe(2);
    expect(sampleOf(text, 'fdt_cert_events_failed_total')).toBe(1);
    expect(sampleOf(text, 'fdt_cert_domains_renewal_sla_warning_total')).toBe(2);
    expect(sampleOf(text, 'fdt_cert_domains_renewal_sla_breach_total')).toBe(2);
    expect(sampleOf(text, 'fdt_cert_oldest_pending_event_timestamp_seconds')).toBe((now - 1500) / 1000);
    expect(sampleOf(text, 'fdt_cert_metrics_generated_at_seconds')).toBe(now / 1000);
    expect(sampleOf(text, 'fdt_cert_queue_jobs{queue="cert-events",state="wait"}')).toBe(3);
    const families = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => String(name));
    expect(families).toEqual(families.toSorted((a, b) => (a < b ? -1 : 1)));
    expect(await renderMetrics(api.ctx)).toBe(text);
  });

  it('drop a queue state that is gone, and keep the old depths while the queues are away', async () => {
    api.queues.depth = [{ queue: 'cert-events', state: 'failed', jobs: 1 }];
    expect(await renderMetrics(api.ctx)).not.toContain('state="wait"');
    api.queues.failWith = new Error('away');
    const text = await renderMetrics(api.ctx);
    api.queues.failWith = null;
    expect(sampleOf(text, 'fdt_cert_queue_jobs{queue="cert-events",state="failed"}')).toBe(1);
    expect(sampleOf(text, 'fdt_cert_events_pending_total')).toBe(2);
  });

  it('stand still, time included, while the database is away, and the scrape goes on', async () => {
    await api.db.sql`alter table event_counts rename to event_counts_away`;
    api.setNow(now + hour);
    const stale = await renderMetrics(api.ctx);
    expect(sampleOf(stale, 'fdt_cert_metrics_generated_at_seconds')).toBe(now / 1000);
    expect(sampleOf(stale, 'fdt_cert_events_pending_total')).toBe(2);
    await api.db.sql`alter table event_counts_away rename to event_counts`;
    expect(sampleOf(await renderMetrics(api.ctx), 'fdt_cert_metrics_generated_at_seconds')).toBe((now + hour) / 1000);
  });

  it('count sources that are silent for longer than is usual for them', async () => {
    const day = 24 * hour;
    // First and last event in days before now, and how many there were.
    const sources: readonly (readonly [name: string, first: number, last: number, total: number])[] = [
      ['steady', 90, 0.5, 100],
      ['silent', 90, 4, 100],
      ['slow', 90, 20, 10],
      ['new', 3, 2, 5],
      ['burst', 10, 9.99, 50],
      ['gone', 200, 60, 100],
    ];
    for (const [source, first, last, events_total] of sources) {
      await api.db.orm.insert(events).values(eventOf(now - first * day, { source, domain: `${source}.example` }));
      await api.db.orm
        .insert(certSources)
        .values({ source, cluster_id: '', events_total, last_seen_at: new Date(now - last * day) });
    }
    expect(await readSilentSources(api.db, now)).toHaveLength(1);
    expect(await readSilentSources(api.db, now + 8 * day)).toHaveLength(3);
  });
});
