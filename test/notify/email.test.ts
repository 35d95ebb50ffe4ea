import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ChannelSettings } from '../../src/lifecycle/notify-config.ts';
import { type DnsServer, startDns } from './dns-server.ts';
import { alert, fire, openChannel, resolve, secrets, settingsFor } from './fixtures.ts';
import { type KeyPair, selfSigned } from './self-signed.ts';
import { type SmtpOptions, type SmtpServer, startSmtpServer } from './smtp-server.ts';

const host = 'mail.notafter.test';
let pair: KeyPair;
let server: SmtpServer;
let dns: DnsServer;

beforeAll(() => {
  pair = selfSigned(host);
});
afterEach(() => Promise.all([server.close(), dns.close()]));

const send = async (
  options: Partial<SmtpOptions> = {},
  settings: Partial<ChannelSettings<'email'>> = {},
  trusted = true,
  notice = fire,
) => {
  server = await startSmtpServer({ ...pair, ...options });
  dns = await startDns({ [host]: () => ['127.0.0.1'] });
  return openChannel(
    { ...settingsFor.email(host, server.port), ...settings },
    { nameServers: [dns.address], ...(trusted && { trustedCas: [pair.cert] }) },
  ).send(notice);
};
const headerOf = (name: string): string | undefined => {
  const [head = ''] = (server.received[0]?.data ?? '').split('\r\n\r\n');
  return new RegExp(`^${name}: *(.*)`, 'im').exec(head.replaceAll(/\r\n[ \t]+/g, ' '))?.[1]?.trim();
};

describe('e-mail', () => {
  it('goes out by STARTTLS, with an account, to everybody', async () => {
    await send();
    expect(server.received[0]).toMatchObject({
      secure: true,
      account: `\u0000notafter\u0000${secrets.password}`,
      from: 'alerts@notafter.example.com',
      to: ['ops@example.com', 'gone@example.com'],
    });
  });

  it('has an id made from the notice, so that a repeat is known, and threads by the alert', async () => {
    await send();
    expect(headerOf('Message-ID')).toBe(`<${fire.id}@notafter.example.com>`);
    expect(headerOf('References')).toBe(`<${alert.alertKey.replace(':', '.')}@notafter.example.com>`);
    expect(headerOf('Auto-Submitted')).toBe('auto-generated');
    expect(headerOf('Subject')).toContain('[CRITICAL] shop.example.com');
  });

  it('tells of the end', async () => {
    await send({}, {}, true, resolve);
    expect(headerOf('Subject')).toBe('[RESOLVED] shop.example.com: TLS is well again');
    expect(headerOf('Message-ID')).toBe(`<${resolve.id}@notafter.example.com>`);
  });

  it('cannot be made to carry other headers', async () => {
    await send({}, {}, true, { ...fire, summary: 'a\r\nBcc: all@example.com\r\n\r\nbody' });
    expect(headerOf('Bcc')).toBeUndefined();
    expect(headerOf('Subject')).toBe('[CRITICAL] a Bcc: all@example.com body');
    expect(server.received[0]?.to).toHaveLength(2);
  });

  it('goes over TLS from the start where that is asked for', async () => {
    const delivery = await send({ implicit: true }, { secure: true });
    expect(delivery.kind).toBe('sent');
    expect(server.received[0]?.secure).toBe(true);
  });

  it('is not sent in the clear: a server without STARTTLS is refused', async () => {
    expect(await send({ starttls: false })).toMatchObject({ kind: 'refused', status: 502 });
    expect(server.received).toHaveLength(0);
  });

  it('goes in the clear only where the settings say so', async () => {
    const { user: _user, password: _password, ...rest } = settingsFor.email(host, 25);
    server = await startSmtpServer({ ...pair, starttls: false });
    dns = await startDns({ [host]: () => ['127.0.0.1'] });
    const channel = openChannel({ ...rest, port: server.port, requireTls: false }, { nameServers: [dns.address] });
    expect((await channel.send(fire)).kind).toBe('sent');
    expect(server.received[0]).toMatchObject({ secure: false, account: null });
  });

  it('is not given to a server whose certificate cannot be trusted', async () => {
    expect(await send({}, {}, false)).toMatchObject({ kind: 'retry', status: null });
    expect(server.received).toHaveLength(0);
  });

  it('says when some of the addresses were not accepted', async () => {
    const delivery = await send({ refused: ['gone@example.com'] });
    expect(delivery).toMatchObject({ kind: 'sent', status: 250 });
    expect(delivery.snippet).toMatch(/^1 of 2 addresses not accepted; 250/);
  });

  it('is refused when none was', async () => {
    const delivery = await send({ refused: ['gone@example.com', 'ops@example.com'] });
    expect(delivery).toMatchObject({ kind: 'refused', status: 550 });
  });
});
