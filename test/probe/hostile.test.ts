import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { createServer as createTls, type TlsOptions } from 'node:tls';
import { describe, expect, it } from 'vitest';
import type { Verdict } from '../../src/lifecycle/served.ts';
import { startDns } from '../support/dns.ts';
import { freePort } from '../support/ports.ts';
import { waitFor } from '../support/wait.ts';
import { createStage, goodLeaf, knownAt, knownFrom, onlyLook, pki, targetAt } from './support.ts';

const stage = createStage();

const record = (type: number, body: Buffer): Buffer => {
  const header = Buffer.from([type, 3, 3, 0, 0]);
  header.writeUInt16BE(body.length, 3);
  return Buffer.concat([header, body]);
};
/** 4,095 HelloRequests, which a TLS client passes over. */
const helloRequests = record(22, Buffer.alloc(4 * 4095));
const fatalAlert = (description: number): Buffer => record(21, Buffer.from([2, description]));

/** Sends the same bytes for ever. */
const flood = (socket: Socket, bytes: Buffer): void => {
  const more = (): void => {
    while (socket.writable && socket.write(bytes));
  };
  socket.on('drain', more);
  more();
};

const onHello = (answer: (socket: Socket) => void) => (socket: Socket) => {
  socket.once('data', () => answer(socket));
};

/** Looks in both depths at once. */
const lookBoth = async (port: number, timeoutMs = 8000) => {
  const prober = stage.prober({ timeoutMs });
  return Promise.all([
    prober.probe(targetAt(port, { known: knownAt(port) })).then(onlyLook),
    prober.probe(targetAt(port)).then(onlyLook),
  ]);
};

/** Connections to a port that linger after a polite end, as Linux counts them (state 06). */
const timeWaits = (port: number): number => {
  const end = `:${port.toString(16).toUpperCase().padStart(4, '0')} 06 `;
  return readFileSync('/proc/net/tcp', 'latin1').split(end).length - 1;
};

describe('a server that is no good', () => {
  it('refuses connections', async () => {
    const port = await freePort();
    for (const look of await lookBoth(port))
      expect(look).toMatchObject({ verdict: 'connection_refused', certificateRef: null, certificate: null });
  });

  it.each<[string, (socket: Socket) => void, Verdict, RegExp]>([
    ['answers in plain HTTP', onHello((s) => s.end('HTTP/1.1 400 Bad Request\r\n\r\n')), 'not_tls', /TLS|HTTP/],
    [
      'greets like a mail server',
      (s) => s.write('220 mail.example.test ESMTP\r\n'),
      'not_tls',
      /does not answer in TLS/,
    ],
    ['closes at once', (s) => s.end(), 'closed', /closed the connection/],
    ['closes after the hello', onHello((s) => s.end()), 'closed', /closed the connection/],
    ['resets after the hello', onHello((s) => s.resetAndDestroy()), 'closed', /closed the connection/],
    ['does not know the name', onHello((s) => s.end(fatalAlert(112))), 'tls_alert', /112 \(unrecognized_name\)/],
    ['fails the handshake', onHello((s) => s.end(fatalAlert(40))), 'tls_alert', /40 \(handshake_failure\)/],
    ['closes with an alert', onHello((s) => s.end(record(21, Buffer.from([1, 0])))), 'closed', /closed/],
    ['never ends its handshake', onHello((s) => flood(s, helloRequests)), 'oversized', /more than 256 KiB/],
  ])('%s', async (_, server, verdict, error) => {
    const port = await stage.serveRaw(server);
    for (const look of await lookBoth(port)) {
      expect(look).toMatchObject({ verdict, certificateRef: null, certificate: null });
      expect(look.error).toMatch(error);
    }
  });

  it('says nothing, and is left at the deadline', async () => {
    const port = await stage.serveRaw((socket) => socket.resume());
    for (const look of await lookBoth(port, 800))
      expect(look).toMatchObject({ verdict: 'handshake_timeout', error: expect.stringContaining('within 0.5 s') });
  });

  it('sends a byte that is no TLS and closes', async () => {
    const port = await stage.serveRaw(onHello((s) => s.end('x')));
    const [fetched, full] = await lookBoth(port);
    expect([fetched.verdict, full.verdict]).toEqual(['not_tls', 'closed']);
  });

  it('drips, and is cut off at the deadline', async () => {
    const port = await stage.serveRaw((socket) => {
      const timer = setInterval(() => socket.write(Buffer.from([22])), 20);
      socket.once('close', () => clearInterval(timer)).resume();
    });
    const [fetched] = await lookBoth(port);
    // The second byte is no version: this is told at once.
    expect(fetched.verdict).toBe('not_tls');
    const bytes = Buffer.concat([helloRequests, helloRequests]);
    const slow = await stage.serveRaw((socket) => {
      let at = 0;
      const timer = setInterval(() => socket.write(bytes.subarray(at, (at += 1))), 10);
      socket.once('close', () => clearInterval(timer)).resume();
    });
    for (const look of await lookBoth(slow, 800)) {
      expect(look.verdict).toBe('handshake_timeout');
      expect(look.durationMs).toBeLessThan(3000);
    }
  });

  it('sends a chain that no client takes', async () => {
    const chain = goodLeaf.chain + Array.from({ length: 260 }, () => pki.intermediate.cert).join('');
    const port = await stage.serveTls({ key: goodLeaf.key, cert: chain });
    const look = onlyLook(await stage.prober().probe(targetAt(port)));
    expect(look).toMatchObject({ verdict: 'oversized', error: expect.stringContaining('100 KiB') });
  });

  it('is cut off before it costs a tenth of a second of processor time', async () => {
    const port = await floodElsewhere();
    const prober = stage.prober();
    await prober.probe(targetAt(port, { depth: 'full' }));
    for (const known of [knownAt(port), new Map()]) {
      const before = process.cpuUsage();
      const look = onlyLook(await prober.probe(targetAt(port, { known })));
      const { user, system } = process.cpuUsage(before);
      expect(look).toMatchObject({ verdict: 'oversized', depth: known.size > 0 ? 'fetch' : 'full' });
      expect((user + system) / 1000).toBeLessThan(100);
    }
  });

  /** A flood from a process of its own, so that its cost is not taken for ours. */
  const floodElsewhere = async (): Promise<number> => {
    const script = `
      const record = Buffer.from(${JSON.stringify(helloRequests.toString('base64'))}, 'base64');
      require('node:net').createServer((s) => {
        const more = () => { while (s.writable && s.write(record)); };
        s.on('error', () => s.destroy()).on('drain', more).once('data', more);
      }).listen(0, '127.0.0.1', function () { console.log(this.address().port); });`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    stage.onClose(async () => {
      child.kill('SIGKILL');
    });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    return Number(await waitFor(() => text.trim() || null, { what: 'the port' }));
  };
});

describe('a probe', () => {
  it.runIf(process.platform === 'linux')('leaves no connection lingering', async () => {
    const ends: string[] = [];
    const server = createTls({ key: goodLeaf.key, cert: goodLeaf.chain });
    server
      .on('tlsClientError', () => undefined)
      .on('secureConnection', (socket) => socket.on('error', () => undefined));
    const port = await stage.listen(server);
    server.on('connection', (socket: Socket) => {
      socket.once('close', (hadError) => ends.push(hadError ? 'reset' : 'end'));
    });
    const prober = stage.prober();
    const first = onlyLook(await prober.probe(targetAt(port)));
    await prober.probe(targetAt(port, { known: knownFrom(first) }));
    await waitFor(() => ends.length === 2);
    expect(timeWaits(port)).toBe(0);
  });

  it('of a closed prober is rejected, and so is one that was under way', async () => {
    const port = await stage.serveRaw((socket) => socket.resume());
    const prober = stage.prober();
    const under = [knownAt(port), new Map()].map((known) =>
      prober.probe(targetAt(port, { known })).then(
        () => 'answered',
        (error: unknown) => String(error),
      ),
    );
    await waitFor(() => prober.inFlight() === 2);
    const started = performance.now();
    await prober.close();
    expect(performance.now() - started).toBeLessThan(1000);
    expect(await Promise.all(under)).toEqual(Array(2).fill('ProberClosedError: the prober is closed'));
    expect(prober.inFlight()).toBe(0);
    await expect(prober.probe(targetAt(port))).rejects.toThrow('closed');
  });

  it('that waits for DNS does not hold up the end', async () => {
    const stub = await startDns(() => null);
    stage.onClose(stub.close);
    const prober = stage.prober({ dnsServers: [stub.server] });
    const under = prober.probe(targetAt(443, { probeAddress: null })).catch(String);
    await waitFor(() => stub.asked.length > 0);
    const started = performance.now();
    await prober.close();
    expect(await under).toContain('the prober is closed');
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it('is on time although a thousand servers never answer', async () => {
    const accepted = new Set<Socket>();
    const tarpit = await stage.serveRaw((socket) => accepted.add(socket.resume()));
    const port = await stage.serveTls({ key: goodLeaf.key, cert: goodLeaf.chain });
    const prober = stage.prober({ timeoutMs: 6400 });
    const known = knownFrom(onlyLook(await prober.probe(targetAt(port))));
    const stuck = Array.from({ length: 1000 }, () =>
      prober.probe(targetAt(tarpit, { known: knownAt(tarpit) })).then(onlyLook),
    );
    await waitFor(() => prober.inFlight() >= 256, { what: 'tarpits to fill the pool' });
    const started = performance.now();
    const good = await Promise.all(
      Array.from({ length: 100 }, () => prober.probe(targetAt(port, { known })).then(onlyLook)),
    );
    const waited = performance.now() - started;
    expect(new Set(good.map(({ verdict }) => verdict))).toEqual(new Set(['ok']));
    expect(waited).toBeLessThan(3000);
    const looks = await Promise.all(stuck);
    expect(new Set(looks.map(({ verdict }) => verdict))).toEqual(new Set(['handshake_timeout']));
    expect(Math.max(...looks.map(({ durationMs }) => durationMs))).toBeLessThan(10_000);
    expect(prober.inFlight()).toBe(0);
  });
});

describe('a connection that breaks anywhere', () => {
  const pick = (below: number): number => Math.floor(Math.random() * below);

  /** Passes on what a real server says up to some byte, and then resets, ends, stalls, or goes on in garbage. */
  const breaking = (ports: readonly number[]) => (client: Socket) => {
    const server = connect({ host: '127.0.0.1', port: ports[pick(ports.length)] ?? 0 });
    const ways = [
      () => client.resetAndDestroy(),
      () => client.end(),
      () => server.pause(),
      (chunk: Buffer) => client.write(Buffer.from(chunk.map((byte) => byte ^ (pick(50) === 0 ? 1 : 0)))),
      () => client.write(randomBytes(50_000)),
      () => flood(client, helloRequests),
    ];
    const [limit, breakOff] = [pick(2500), ways[pick(ways.length)]];
    let passed = 0;
    server.on('error', () => client.destroy()).once('end', () => client.end());
    client.once('close', () => server.destroy()).pipe(server);
    server.on('data', (chunk: Buffer) => {
      if (passed < limit) client.write(chunk.subarray(0, limit - passed));
      passed += chunk.length;
      if (passed > limit && client.writable) breakOff?.(chunk);
    });
  };

  it('is an ordinary finding', async () => {
    const good: TlsOptions = { key: goodLeaf.key, cert: goodLeaf.chain };
    const older: TlsOptions = { ...good, maxVersion: 'TLSv1.2' };
    const servers: TlsOptions[] = [good, older, { ...older, requestCert: true, ca: [pki.root.cert] }];
    const port = await stage.serveRaw(breaking(await Promise.all(servers.map((server) => stage.serveTls(server)))));
    // Fewer at once than a server keeps waiting, so that it accepts them all.
    const prober = stage.prober({ timeoutMs: 3200, maxInFlight: 32 });
    const verdicts = new Set<Verdict>([
      ...(['ok', 'untrusted', 'closed', 'tls_alert', 'not_tls', 'oversized'] as const),
      ...(['connect_timeout', 'handshake_timeout'] as const),
    ]);
    const looks = await Promise.all(
      Array.from({ length: 400 }, (_, index) =>
        prober.probe(targetAt(port, { known: index % 2 === 0 ? knownAt(port) : new Map() })).then(onlyLook),
      ),
    );
    const others = looks.map(({ verdict }) => verdict).filter((verdict) => !verdicts.has(verdict));
    expect(others).toEqual([]);
    expect(new Set(looks.map(({ verdict }) => verdict)).size).toBeGreaterThan(3);
    expect(looks.filter(({ verdict, error }) => (verdict === 'ok') !== (error === null))).toEqual([]);
    expect(prober.inFlight()).toBe(0);
  });
});
