import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requireBinary } from '../support/binaries.ts';
import { waitFor } from '../support/wait.ts';
import { output, root } from './support/files.ts';
import { type OpsServer, startAlertmanager } from './support/servers.ts';

const file = 'ops/alertmanager/alertmanager.yml';
type Labels = Readonly<Record<string, string>>;

const receiverOf = async (labels: Labels): Promise<string> => {
  const args = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  const said = await output(requireBinary('amtool'), 'config', 'routes', 'test', `--config.file=${file}`, ...args);
  return said.split('\n')[0] ?? '';
};

describe('alertmanager.yml', () => {
  it('is what Alertmanager takes', async () => {
    await expect(output(requireBinary('amtool'), 'check-config', file)).resolves.toContain('SUCCESS');
  });

  it.each<[string, Labels, string]>([
    ['a page in production wakes somebody', { route: 'page', environment: 'prod' }, 'page'],
    ['a page of an installation that does not say where it is, too', { route: 'page' }, 'page'],
    ['a page of staging is a ticket', { route: 'page', environment: 'staging' }, 'ticket'],
    ['a page of dev is a ticket', { route: 'page', environment: 'dev' }, 'ticket'],
    ['a ticket is a ticket', { route: 'ticket', environment: 'prod' }, 'ticket'],
    ['what says nothing is a ticket', { alertname: 'Other' }, 'ticket'],
  ])('%s', async (_, labels, receiver) => {
    expect(await receiverOf(labels)).toBe(receiver);
  });
});

describe('inhibition', () => {
  let server: OpsServer;
  beforeAll(async () => {
    server = await startAlertmanager(path.join(root, file));
  });
  afterAll(async () => server[Symbol.asyncDispose]());

  interface Alert {
    readonly labels: Labels;
    readonly status: { readonly state: string; readonly inhibitedBy: readonly string[] };
  }

  const breach = { alertname: 'CertificateRenewalSlaBreach', job: 'notafter' };
  const warning = { alertname: 'CertificateRenewalSlaWarning', job: 'notafter' };

  const send = async (environment: string, alerts: readonly Labels[]): Promise<void> => {
    const sent = await fetch(`${server.url}/api/v2/alerts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(alerts.map((labels) => ({ labels: { environment, ...labels } }))),
    });
    expect(sent.status).toBe(200);
  };

  const quietIn = async (environment: string): Promise<string[]> => {
    const answer = await fetch(`${server.url}/api/v2/alerts?filter=environment%3D${environment}`);
    const seen = (await answer.json()) as Alert[]; // Alertmanager's own API
    return seen.filter(({ status }) => status.inhibitedBy.length > 0).map(({ labels }) => labels['alertname'] ?? '');
  };

  /** The names of the alerts that are kept quiet when these fire. */
  const quietOf = async (environment: string, alerts: readonly Labels[]): Promise<string[]> => {
    await send(environment, alerts);
    // Alerts are looked at one after the other: once these two have been, the others have been as well.
    await send(`${environment}-last`, [breach, warning]);
    await waitFor(async () => (await quietIn(`${environment}-last`)).length > 0, { what: 'the inhibitor' });
    return quietIn(environment);
  };

  it.each<[string, string, readonly Labels[], readonly string[]]>([
    ['a breach keeps the warning quiet', 'prod-a', [breach, warning], ['CertificateRenewalSlaWarning']],
    ['but not that of another installation', 'prod-b', [breach, { ...warning, job: 'notafter-eu' }], []],
    ['a warning alone is heard', 'prod-c', [warning], []],
    [
      'no worker at all keeps what follows from it quiet, and nothing of the API',
      'prod-d',
      [
        { alertname: 'CertificateWorkerDown' },
        { alertname: 'CertificateWorkerStuck', job: 'notafter' },
        { alertname: 'CertificateSweepStalled', job: 'notafter', sweep: 'probe' },
        { alertname: 'CertificateInstanceDown', job: 'notafter', role: 'worker' },
        { alertname: 'CertificateInstanceDown', job: 'notafter', role: 'api' },
        { alertname: 'CertificateTlsErrorsPresent', job: 'notafter' },
      ],
      ['CertificateInstanceDown', 'CertificateSweepStalled', 'CertificateWorkerStuck'],
    ],
    [
      'a database that nobody reads keeps its processes quiet',
      'prod-e',
      [
        { alertname: 'CertificateMetricsStale', job: 'notafter' },
        { alertname: 'CertificateInstanceMetricsStale', job: 'notafter', instance: 'a' },
      ],
      ['CertificateInstanceMetricsStale'],
    ],
  ])('%s', async (_, environment, alerts, quiet) => {
    expect((await quietOf(environment, alerts)).sort()).toEqual(quiet);
  });
});
