import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withPolicy } from '../../src/cli/dlq-policy.ts';
import { dlqCommand } from '../../src/cli/dlq.ts';
import { overviewCommand } from '../../src/cli/overview.ts';
import { savePolicyReport } from '../../src/db/policy.ts';
import { customDomains, events } from '../../src/db/schema.ts';
import { overviewRoutes } from '../../src/http/overview.ts';
import type { PolicyReport } from '../../src/lifecycle/policy-report.ts';
import { createTestApi, domainOf, eventOf, type TestApi } from '../support/api.ts';
import { runCommand } from '../support/cli.ts';

const now = Date.UTC(2026, 4, 1, 12);
const hour = 3_600_000;

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi([overviewRoutes()], now);
});
afterAll(() => api.close());

const run = async (command: 'overview' | 'dlq', args: readonly string[], columns: number | null = 200) => {
  const make = command === 'dlq' ? withPolicy(dlqCommand) : overviewCommand;
  const { out, code } = await runCommand(api, make, args, { columns, role: 'viewer' });
  return { out: out.join('\n'), code };
};

describe('notafter overview', () => {
  it('says that nothing is wrong, and what it looked at', async () => {
    const { out, code } = await run('overview', []);
    expect(code).toBe(0);
    expect(out).toContain('nothing needs attention');
    expect(out).toContain('also checked, nothing wrong: breach, tls_error');
  });

  it('lists what is wrong, for whom and since when', async () => {
    await api.db.orm
      .insert(customDomains)
      .values(domainOf({ domain: 'pay.example', org_id: 'harbor', renewal_due_at: new Date(now - 5 * hour) }));
    await api.db.orm.insert(events).values(
      eventOf(now - 3 * hour, {
        status: 'failed',
        error_class: 'internal',
        error_pattern: 'away \u001b[31m',
        last_error: 'away',
        processed_at: new Date(now - 3 * hour),
      }),
    );
    const { out } = await run('overview', []);
    expect(out).toMatch(/SINCE +FOR WHOM +WHAT IS WRONG/);
    expect(out).toMatch(/5 hours +harbor 1 +1 domain is past the time to renew\. First: pay\.example/);
    expect(out).toMatch(/3 hours +certbot:eu +1 event gave up\. 1 of them: internal: away/);
    expect(out).not.toContain('\u001b');
    expect(out).toMatch(/domains +1: .*1 issued/);
  });

  it('is narrowed to an organisation, and prints JSON where nobody reads', async () => {
    const { out } = await run('overview', ['--org-id', 'nobody'], null);
    expect(JSON.parse(out)).toMatchObject({ attention: [], sources: null });
  });
});

describe('notafter dlq policy', () => {
  const report: PolicyReport = {
    mode: 'dry-run',
    at: now,
    events: 9,
    replayed: { transient: 3 },
    waiting: [
      {
        fingerprint: 'f1',
        pattern: 'The domain is not registered',
        errorClass: 'unresolved',
        class: 'dependency',
        events: 4,
        since: now,
        reason: 'applied by itself once its domain is registered',
      },
    ],
    escalations: [
      {
        fingerprint: 'f2',
        pattern: 'bad date',
        errorClass: 'invalid',
        class: 'data',
        events: 2,
        since: now,
        reason: 'it cannot succeed as it was sent',
        route: 'ticket',
      },
    ],
    more: 0,
    first: {},
  };

  it('says that the policy is off and never ran', async () => {
    const { out } = await run('dlq', ['policy']);
    expect(out).toContain('the policy is off: set CERT_DLQ_AUTO_REPLAY_DRY_RUN=true');
    expect(out).toContain('it has not run yet');
  });

  it('shows the last run', async () => {
    await savePolicyReport(api.db, report);
    const { out } = await run('dlq', ['policy']);
    expect(out).toContain('(dry run: it changes nothing), 9 dead letters');
    expect(out).toContain('would replay: 3 transient');
    expect(out).toMatch(/ticket +2 +data +it cannot succeed as it was sent +bad date/);
    expect(out).toMatch(/wait +4 +dependency +applied by itself/);
    const json = JSON.parse((await run('dlq', ['policy'], null)).out) as { report: object }; // our own answer
    expect(json.report).not.toHaveProperty('first');
    expect(json.report).toMatchObject({ mode: 'dry-run', at: '2026-05-01T12:00:00.000Z' });
  });
});
