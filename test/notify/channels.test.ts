import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Delivery } from '../../src/lifecycle/delivery.ts';
import { type DnsServer, startDns } from './dns-server.ts';
import { channelTypes, fire, openChannel, resolve, secrets, settingsFor } from './fixtures.ts';
import { type Behaviour, startReceiver } from './receiver.ts';
import { type KeyPair, selfSigned } from './self-signed.ts';
import { startSmtpServer } from './smtp-server.ts';

/** What the suite needs of a receiver, of whatever protocol. */
interface Server {
  readonly port: number;
  readonly received: readonly unknown[];
  readonly connections: () => number;
  behave(next: Behaviour): void;
  close(): Promise<void>;
}

const host = 'hooks.notafter.test';
let pair: KeyPair;
const closing: (() => Promise<void>)[] = [];

const open = async <T extends { close(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
  const started = await starting;
  closing.push(() => started.close());
  return started;
};
const nameServer = (...addresses: string[]): Promise<DnsServer> => open(startDns({ [host]: () => addresses }));

beforeAll(() => {
  pair = selfSigned(host);
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

/** Everything that could be shown, logged or stored of a result. */
const seen = (delivery: Delivery): string => JSON.stringify(delivery);
const shows = (delivery: Delivery): string[] =>
  Object.values(secrets)
    .flatMap((secret) => [...secret.split('/'), encodeURIComponent(secret), Buffer.from(secret).toString('base64')])
    .filter((secret) => seen(delivery).includes(secret));

const timed = async (work: Promise<Delivery>): Promise<{ delivery: Delivery; ms: number }> => {
  const started = performance.now();
  return { delivery: await work, ms: performance.now() - started };
};

describe.each(channelTypes)('a channel of type %s', (type) => {
  const isMail = type === 'email';
  const start = (behaviour: Behaviour): Promise<Server> =>
    open(
      (async () => {
        const server: Server = isMail ? await startSmtpServer(pair) : await startReceiver();
        server.behave(behaviour);
        return server;
      })(),
    );
  /** Sends to a server that behaves in this way, found under a name. */
  const sendTo = async (behaviour: Behaviour, more: Parameters<typeof openChannel>[1] = {}) => {
    const [server, dns] = await Promise.all([start(behaviour), nameServer('127.0.0.1')]);
    const channel = openChannel(settingsFor[type](host, server.port), {
      nameServers: [dns.address],
      trustedCas: [pair.cert],
      ...more,
    });
    return { server, dns, channel, ...(await timed(channel.send(fire))) };
  };
  const status = (http: number, smtp: number): Behaviour => ({ kind: 'status', status: isMail ? smtp : http });

  it('is sent, and tells the beginning of the answer on one clean line', async () => {
    const { delivery, server, dns } = await sendTo({ kind: 'accept' });
    expect(delivery).toEqual(
      isMail
        ? { kind: 'sent', status: 250, snippet: '250 2.0.0 queued as 1' }
        : { kind: 'sent', status: 202, snippet: 'taken thank you' },
    );
    expect(server.received).toHaveLength(1);
    expect(dns.asked).toEqual([host]);
  });

  it('is told of a resolve', async () => {
    const { channel, server } = await sendTo({ kind: 'accept' });
    expect((await channel.send(resolve)).kind).toBe('sent');
    expect(server.received).toHaveLength(2);
    expect(JSON.stringify(server.received[1])).toMatch(/resolve|close|endsAt/i);
  });

  it('is tried again when the receiver is down', async () => {
    const server = await start({ kind: 'accept' });
    await server.close();
    closing.length = 0;
    const delivery = await openChannel(settingsFor[type]('127.0.0.1', server.port)).send(fire);
    expect(delivery).toMatchObject({ kind: 'retry', status: null, retryAfterMs: null });
    expect(seen(delivery)).toContain('ECONNREFUSED');
  });

  it('is tried again when the receiver does not answer in time', async () => {
    const { delivery, ms } = await sendTo({ kind: 'silent' }, { deadlineMs: 400 });
    expect(delivery).toMatchObject({ kind: 'retry', status: null });
    expect(seen(delivery)).toContain('within 0.4 s');
    expect(ms).toBeGreaterThan(350);
    expect(ms).toBeLessThan(2000);
  });

  it('is tried again when the connection breaks', async () => {
    const { delivery } = await sendTo({ kind: 'reset' });
    expect(delivery).toMatchObject({ kind: 'retry', status: null });
  });

  it('is tried again when the receiver is busy or broken', async () => {
    const { delivery } = await sendTo(status(503, 451));
    expect(delivery).toMatchObject({ kind: 'retry', status: isMail ? 451 : 503, retryAfterMs: null });
  });

  it('is refused for good where the receiver says so', async () => {
    const { delivery } = await sendTo(status(404, 550));
    expect(delivery).toMatchObject({ kind: 'refused', status: isMail ? 550 : 404 });
  });

  it('does not read an answer without end', async () => {
    const { delivery, ms } = await sendTo({ kind: 'endless', status: 200 });
    expect(delivery.kind).toBe(isMail ? 'retry' : 'sent');
    expect(delivery.snippet?.length ?? 0).toBeLessThanOrEqual(500);
    // A webhook's answer is cut by its size, long before time is up; a greeting ends with the time for one try.
    expect(ms).toBeLessThan(isMail ? 3500 : 900);
  });

  it('shows no secret, also when the receiver repeats what it was sent', async () => {
    const { delivery, server } = await sendTo({ kind: 'echo' });
    expect(delivery).toMatchObject({ kind: 'refused', status: isMail ? 550 : 404 });
    expect(delivery.snippet).toContain(isMail ? 'EHLO' : 'Cannot POST');
    expect(shows(delivery)).toEqual([]);
    // The same of every other way to fail.
    for (const behaviour of [status(302, 421), status(500, 452), { kind: 'reset' }] as const) {
      server.behave(behaviour);
      expect(shows((await sendTo(behaviour)).delivery)).toEqual([]);
    }
  });

  it.each([
    ['loopback', ['127.0.0.1']],
    ['private', ['10.1.2.3']],
    ['link-local', ['169.254.169.254']],
    ['several that are none of them public', ['192.168.0.1', '127.0.0.1']],
  ])('is refused, without a connection, when its name leads to an address that is %s', async (_, addresses) => {
    const [server, dns] = await Promise.all([start({ kind: 'accept' }), nameServer(...addresses)]);
    const channel = openChannel(settingsFor[type](host, server.port), { loopback: false, nameServers: [dns.address] });
    const { delivery, ms } = await timed(channel.send(fire));
    expect(delivery).toMatchObject({ kind: 'refused', status: null });
    expect(seen(delivery)).toContain('CERT_WEBHOOK_ALLOWED_CIDRS');
    expect(server.connections()).toBe(0);
    expect(ms).toBeLessThan(1000);
  });

  it.each(['127.0.0.1', '[::1]', '[::ffff:127.0.0.1]', '[fe80::1]'])(
    'is refused at the address %s',
    async (address) => {
      const server = await start({ kind: 'accept' });
      const delivery = await openChannel(settingsFor[type](address, server.port), { loopback: false }).send(fire);
      expect(delivery.kind).toBe('refused');
      expect(server.connections()).toBe(0);
    },
  );

  it('reaches an address in a range that is allowed, passing over others', async () => {
    const [server, dns] = await Promise.all([start({ kind: 'accept' }), nameServer('10.1.2.3', '127.0.0.1')]);
    const channel = openChannel(settingsFor[type](host, server.port), {
      loopback: false,
      allowedCidrs: ['127.0.0.1/32'],
      nameServers: [dns.address],
      trustedCas: [pair.cert],
    });
    expect((await channel.send(fire)).kind).toBe('sent');
  });

  it('asks for its name once a try, so that a changed answer is vetted anew', async () => {
    const server = await start({ kind: 'accept' });
    const dns = await open(startDns({ [host]: (question) => [question === 1 ? '127.0.0.1' : '10.0.0.1'] }));
    const channel = openChannel(settingsFor[type](host, server.port), {
      loopback: true,
      nameServers: [dns.address],
      trustedCas: [pair.cert],
    });
    expect((await channel.send(fire)).kind).toBe('sent');
    expect((await channel.send(fire)).kind).toBe('refused');
    expect(dns.asked).toEqual([host, host]);
  });

  it('is tried again when its name is not known', async () => {
    const dns = await open(startDns({}));
    const delivery = await openChannel(settingsFor[type](host, 9), { nameServers: [dns.address] }).send(fire);
    expect(delivery).toMatchObject({ kind: 'retry', status: null });
    expect(seen(delivery)).toContain('no address in DNS');
  });
});

describe.each(channelTypes.filter((type) => type !== 'email'))('over HTTP, a channel of type %s', (type) => {
  const sendTo = async (behaviour: Behaviour) => {
    const server = await open(startReceiver());
    server.behave(behaviour);
    const delivery = await openChannel(settingsFor[type]('127.0.0.1', server.port)).send(fire);
    return { delivery, server };
  };

  it.each([
    [400, 'refused'],
    [401, 'refused'],
    [403, 'refused'],
    [404, 'refused'],
    [408, 'retry'],
    [410, 'refused'],
    [413, 'refused'],
    [429, 'retry'],
    [500, 'retry'],
    [502, 'retry'],
    [503, 'retry'],
    [200, 'sent'],
    [204, 'sent'],
  ])('answered %i, is %s', async (code, kind) => {
    const { delivery } = await sendTo({ kind: 'status', status: code });
    expect(delivery).toMatchObject({ kind, status: code });
  });

  it.each([301, 302, 307, 308])('answered %i, is tried again, at the same place', async (code) => {
    const other = await open(startReceiver());
    const headers = { location: `http://127.0.0.1:${other.port}/` };
    const { delivery, server } = await sendTo({ kind: 'status', status: code, headers });
    expect(delivery).toMatchObject({ kind: 'retry', status: code });
    expect(seen(delivery)).not.toContain(String(other.port));
    expect([server.connections(), other.connections()]).toEqual([1, 0]);
  });

  it.each([
    [429, '7', 7000],
    [503, '120', 120_000],
    [503, 'Sun, 01 Nov 2026 12:01:00 GMT', 60_000],
    [503, 'later', null],
  ])('answered %i with Retry-After %s, says how long to wait', async (code, header, retryAfterMs) => {
    const { delivery } = await sendTo({ kind: 'status', status: code, headers: { 'retry-after': header } });
    expect(delivery).toMatchObject({ kind: 'retry', status: code, retryAfterMs });
  });
});
