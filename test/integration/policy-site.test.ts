import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Receiver, startReceiver } from '../notify/receiver.ts';
import { register } from '../support/driver.ts';
import { backends, openSite, type Site } from '../support/site.ts';
import { waitFor } from '../support/wait.ts';

type Body = Readonly<Record<string, unknown>>;

let site: Site;
let receiver: Receiver;

const told = (type: string): Body[] =>
  receiver.received.map(({ body }) => JSON.parse(body) as Body).filter((body) => body['type'] === type); // our own webhook's body
const metric = async (name: string): Promise<number> =>
  Number(new RegExp(`^${name.replaceAll(/[{}"]/g, '\\$&')} (.+)$`, 'm').exec(await site.metrics())?.[1] ?? Number.NaN);
const stateOf = async (domain: string): Promise<string> => {
  const [row] = await site.sql<{ state: string }[]>`
    select status || ' ' || dlq_replay_count as state from certificate_lifecycle_events where domain = ${domain}`;
  return row?.state ?? 'none';
};

/** Has every change of this domain fail with the error, until the trigger is dropped. */
const breakDomain = (domain: string, error: string) =>
  site.sql.unsafe(`
    create function break_it() returns trigger language plpgsql as $$
    begin
      if new.domain = '${domain}' then raise exception '${error}'; end if;
      return new;
    end $$;
    create trigger break_it before update on custom_domains for each row execute function break_it()`);
const mendDomain = () =>
  site.sql.unsafe('drop trigger if exists break_it on custom_domains; drop function if exists break_it');

describe.each(backends)('the replay policy on %s', (backend) => {
  beforeAll(async () => {
    receiver = await startReceiver();
    site = await openSite(backend, {
      CERT_ALERT_WEBHOOK_URL: `http://127.0.0.1:${receiver.port}/alerts`,
      CERT_DLQ_AUTO_REPLAY_ENABLED: 'true',
      CERT_DLQ_REPLAY_COOLDOWN_SECONDS: '1',
      CERT_EVENT_MAX_RETRIES: '1',
      CERT_DEPLOYMENT_ENV: 'prod',
      CERT_WEBHOOK_ALLOWED_CIDRS: '127.0.0.0/8',
    });
  }, 60_000);
  afterEach(() => mendDomain());
  afterAll(async () => {
    await site.close();
    await receiver.close();
  });

  it('replays what passes by itself, and the event is applied', async () => {
    const domain = await register(site.url, 'passes.example.com');
    await breakDomain(domain, 'a slow moment');
    await site.tell(domain, 'renewal_succeeded');
    await waitFor(async () => (await stateOf(domain)).startsWith('failed'), { what: 'a dead letter' });
    await mendDomain();
    await waitFor(async () => (await stateOf(domain)) === 'applied 1', { what: 'the replay' });
    await waitFor(async () => (await metric('fdt_cert_dlq_auto_replays_total')) === 1, { what: 'the counter' });
    expect(told('certificate.dead_letter')).toEqual([]);
  });

  it('pages once its replays are used up, and tells of the end when a person has mended it', async () => {
    const domain = await register(site.url, 'spent.example.com');
    await breakDomain(domain, 'a fault that stays');
    await site.tell(domain, 'renewal_succeeded');
    const [page] = await waitFor(
      () => {
        const bodies = told('certificate.dead_letter');
        return bodies.length > 0 && bodies;
      },
      { timeoutMs: 30_000, what: 'the page' },
    );
    expect(page).toMatchObject({
      severity: 'critical',
      incidentRoute: 'page',
      domain: null,
      escalationClass: 'exhausted',
      error: 'a fault that stays',
      events: 1,
    });
    expect(await stateOf(domain)).toBe('failed 3');
    const report = await site.admin('GET', '/dlq-policy');
    expect(report.body).toMatchObject({ enabled: true, report: { mode: 'on', escalations: [{ class: 'exhausted' }] } });
    const overview = await site.admin('GET', '/overview');
    expect(overview.body['attention']).toMatchObject([
      { kind: 'dead_letters', count: 1 },
      { kind: 'replay_loop', count: 1 },
    ]);
    expect(await metric('fdt_cert_dlq_escalations_total{class="exhausted"}')).toBe(1);
    expect(await metric('fdt_cert_replay_loop_events')).toBe(1);
    await mendDomain();
    const [row] = await site.sql<
      { id: string }[]
    >`select id from certificate_lifecycle_events where domain = ${domain}`;
    await site.admin('POST', `/cert-events/${row?.id}/replay`, { reason: 'mended' });
    await waitFor(() => told('certificate.dead_letter').some((body) => body['action'] === 'resolve'), {
      timeoutMs: 15_000,
      what: 'the end of the page',
    });
    expect(told('certificate.dead_letter')).toHaveLength(2);
    // Another job tells of loops, in its own time.
    await waitFor(() => told('certificate.replay_loop').length === 2, {
      timeoutMs: 15_000,
      what: 'the end of the loop',
    });
    expect(told('certificate.replay_loop').map(({ action }) => action)).toEqual([undefined, 'resolve']);
  });
});
