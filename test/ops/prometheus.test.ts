import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requireBinary } from '../support/binaries.ts';
import { filesIn, output, read, root, unknownSeries } from './support/files.ts';
import { type OpsServer, startPrometheus } from './support/servers.ts';

interface Rule {
  readonly name: string;
  readonly query: string;
  /** Seconds. */
  readonly duration: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

const unitTests = filesIn('ops/prometheus/tests', '.yml');
const page = 'docs/runbooks/ops-oncall.md';

let server: OpsServer;
let rules: readonly Rule[];

beforeAll(async () => {
  server = await startPrometheus(path.join(root, 'ops/prometheus/prometheus.yml'));
  const answer = await fetch(`${server.url}/api/v1/rules?type=alert`);
  const { data } = (await answer.json()) as { data: { groups: { rules: Rule[] }[] } }; // Prometheus's own API
  rules = data.groups.flatMap((group) => group.rules);
});
afterAll(async () => server[Symbol.asyncDispose]());

const ruleOf = (name: string): Rule => {
  const rule = rules.find((one) => one.name === name);
  if (rule === undefined) throw new Error(`there is no rule ${name}`);
  return rule;
};

/** What each unit test expects of a rule, in the order of time: fires or not. */
const expectations = (): { readonly alert: string; readonly fires: readonly boolean[] }[] =>
  unitTests.flatMap((file) =>
    read(file)
      .split(/^ {2}- name: /m)
      .slice(1)
      .map((test) => {
        const cases = [...test.matchAll(/alertname: (\w+)\n\s+exp_alerts:( \[\])?/g)];
        return { alert: cases[0]?.[1] ?? '', fires: cases.map(([, , none]) => none === undefined) };
      }),
  );

describe('prometheus.yml', () => {
  it('is what Prometheus takes, with its rules', async () => {
    const said = await output(requireBinary('promtool'), 'check', 'config', 'ops/prometheus/prometheus.yml');
    expect(said).toContain(`${rules.length} rules found`);
  });
});

describe('the rules', () => {
  it.each(unitTests)('do what %s says', async (file) => {
    await expect(output(requireBinary('promtool'), 'test', 'rules', file)).resolves.toContain('SUCCESS');
  });

  it.each([
    [
      'CertificateLifecycleRunbookFailures',
      /increase\(fdt_cert_runbook_trigger_failures_total\[15m\]\)\) > 0$/,
      5,
      'page',
    ],
    ['CertificateTlsErrorsPresent', /fdt_cert_domains_total\{status="tls_error"\}\) > 0$/, 15, 'ticket'],
    ['CertificateEventBacklogGrowing', /fdt_cert_events_pending_total\) > 100$/, 10, 'ticket'],
    ['CertificateRenewalSlaBreach', /fdt_cert_domains_renewal_sla_breach_total\) > 0$/, 5, 'page'],
    ['CertificateRenewalSlaWarning', /fdt_cert_domains_renewal_sla_warning_total\) > 0$/, 15, 'ticket'],
  ])('have %s as others know it', (name, query, minutes, route) => {
    const rule = ruleOf(name);
    expect(rule.query).toMatch(query);
    expect(rule.duration).toBe(minutes * 60);
    expect(rule.labels['route']).toBe(route);
  });

  it('each say how bad it is and who is told', () => {
    for (const { name, labels, annotations } of rules) {
      expect({ name, ...labels, ...annotations }).toEqual({
        name,
        severity: expect.stringMatching(/^(critical|warning)$/),
        route: expect.stringMatching(/^(page|ticket)$/),
        summary: expect.stringMatching(/^[A-Z]/),
        description: expect.stringMatching(/\.$/),
        runbook_url: expect.any(String),
      });
    }
  });

  it('each have a section in the runbook, and every section is of a rule', () => {
    const sections = [...read(page).matchAll(/^## (\w+)$/gm)].map(([, name = '']) => name);
    expect(sections.sort()).toEqual(rules.map(({ name }) => name).sort());
    for (const { name, annotations } of rules) {
      const anchor = `{{ $externalLabels.runbook_base }}/${page}#${name.toLowerCase()}`;
      expect(annotations['runbook_url']).toBe(anchor);
    }
  });

  it('each have a unit test in which they wait, fire and end', () => {
    const covered = expectations()
      .filter(({ fires }) => /^(false,)+(true,)+false/.test(fires.join()))
      .map(({ alert }) => alert);
    expect(rules.map(({ name }) => name).filter((name) => !covered.includes(name))).toEqual([]);
  });

  it('ask only for series that the product has', () => {
    expect(unknownSeries(rules.map(({ query }) => query))).toEqual([]);
  });

  it('would be found to ask for another', () => {
    expect(unknownSeries(['rate(fdt_cert_nothing_total[5m])', 'fdt_cert_ingest_duration_seconds_bucket'])).toEqual([
      'fdt_cert_nothing_total',
    ]);
  });
});
