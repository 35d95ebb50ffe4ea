import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Notice, routeOf, severityOf, summaryOf } from '../../src/lifecycle/notice.ts';
import { deadLettersCondition, type OwnCondition, silentCondition } from '../../src/lifecycle/own-conditions.ts';
import { startDns } from './dns-server.ts';
import { channelTypes, now, openChannel, settingsFor } from './fixtures.ts';
import { type Receiver, startReceiver } from './receiver.ts';
import { selfSigned } from './self-signed.ts';
import { startSmtpServer } from './smtp-server.ts';

const limits = { now, environment: 'prod' } as const;
const exhausted = deadLettersCondition(
  {
    fingerprint: '00ff00ff00ff00ff',
    pattern: 'directory answered <n> <!channel>\u202E',
    errorClass: 'internal',
    class: 'exhausted',
    events: 12,
    since: now - 3_600_000,
    reason: 'it was replayed 3 times and failed again',
    route: 'page',
  },
  limits,
);
const silent = silentCondition(
  { source: 'a <b>\nsource', clusterId: 'eu', since: now - 172_800_000, expectedIntervalMs: 14_400_000 },
  limits,
);

const noticeOf = ({ class: noticeClass, subject, body }: OwnCondition, action: Notice['action']): Notice => ({
  id: '2f1ed2b0-87c5-5a0c-9d0e-000000000009',
  kind: 'alert',
  action,
  alertKey: `${subject}:${noticeClass}`,
  class: noticeClass,
  severity: severityOf(noticeClass, 'prod'),
  route: routeOf(noticeClass, 'prod'),
  domain: null,
  orgId: null,
  summary: summaryOf(noticeClass, action, body),
  body,
  firedAt: now - 5000,
  createdAt: now,
});

let receiver: Receiver;
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(() => receiver.close());

const sent = async (type: (typeof overHttp)[number], notice: Notice): Promise<string> => {
  const channel = openChannel(settingsFor[type]('127.0.0.1', receiver.port));
  expect((await channel.send(notice)).kind).toBe('sent');
  return receiver.received.at(-1)?.body ?? '';
};
const overHttp = channelTypes.filter((type) => type !== 'email');

describe('a notice that names no domain', () => {
  const told = [exhausted, silent].map((one) => [one.class, one] as const);

  it.each(overHttp)('goes over %s, and speaks of its subject and of no domain', async (type) => {
    for (const [, condition] of told) {
      const fired = await sent(type, noticeOf(condition, 'fire'));
      expect(fired).not.toMatch(/"(?:domain|entity|source|subject)":"null"|undefined|null: |Domain/);
      expect(fired).not.toMatch(/[\u202E\n]/);
      expect(fired).toContain(condition === silent ? 'source' : 'directory answered');
      await sent(type, noticeOf(condition, 'resolve'));
    }
  });

  it('goes by e-mail, in a thread of its own', async () => {
    const host = 'mail.notafter.test';
    const pair = selfSigned(host);
    const server = await startSmtpServer(pair);
    const dns = await startDns({ [host]: () => ['127.0.0.1'] });
    try {
      const more = { nameServers: [dns.address], trustedCas: [pair.cert] };
      const delivery = await openChannel(settingsFor.email(host, server.port), more).send(noticeOf(silent, 'fire'));
      expect(delivery.kind).toBe('sent');
      const mail = server.received[0]?.data ?? '';
      expect(mail).toMatch(/^References: <source-[\da-f]{16}\.source_silent@/m);
      expect(mail).toContain('About: a <b> source:eu');
      expect(mail).not.toMatch(/null|undefined/);
    } finally {
      await Promise.all([server.close(), dns.close()]);
    }
  });

  it('says what happened in one line, and that it is over', () => {
    const lines = told.flatMap(([, one]) => [
      summaryOf(one.class, 'fire', one.body),
      summaryOf(one.class, 'resolve', one.body),
    ]);
    expect(lines).toEqual([
      '12 events gave up for good, it was replayed 3 times and failed again: directory answered <n> <!channel>',
      'none of these dead letters of class exhausted is left: directory answered <n> <!channel>',
      'a <b> source:eu is silent: usually an event every 4 hours, none for 2 days',
      'a <b> source:eu reports again, or is not expected any more',
    ]);
  });

  it('tells alerts of one class apart by their subject in Alertmanager', async () => {
    const body = await sent('alertmanager', noticeOf(exhausted, 'fire'));
    const [alert] = JSON.parse(body) as { labels: Record<string, string> }[]; // what we just sent
    expect(alert?.labels).toEqual({
      alertname: 'CertificateDeadLettersExhausted',
      subject: 'dead-letters-00ff00ff00ff00ff-exhausted',
      class: 'dead_letters_exhausted',
      severity: 'critical',
      route: 'page',
    });
  });

  it('has a key of plain letters, whatever a sender calls itself', () => {
    expect(silent.subject).toMatch(/^source-[\da-f]{16}$/);
    const other = silentCondition({ source: 'a', clusterId: null, since: now, expectedIntervalMs: 1 }, limits);
    expect(other.subject).not.toBe(silent.subject);
  });

  it('has the keys of every alert first', () => {
    expect(Object.keys(exhausted.body).slice(0, 6)).toEqual([
      'source',
      'type',
      'severity',
      'incidentRoute',
      'domainId',
      'domain',
    ]);
    expect(exhausted.body).toMatchObject({
      type: 'certificate.dead_letter',
      incidentRoute: 'page',
      severity: 'critical',
      domainId: null,
      escalationClass: 'exhausted',
      events: 12,
    });
  });
});
