import { createServer as createPlain } from 'node:http';
import { createServer as createTcp, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTls, createSecureContext, type TlsOptions } from 'node:tls';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { KnownServed, Look, ProbeResult, ProbeTarget } from '../../src/lifecycle/served.ts';
import { createProber, type Prober, type ProberSettings } from '../../src/probe/prober.ts';
import { createPki, makeCertificate } from '../support/certificates.ts';

const pki = createPki();
const name = 'shop.example.test';
const day = 24 * 3_600_000;

const open: { close: () => Promise<void> }[] = [];
afterEach(async () => {
  for (const { close } of open.splice(0)) await close();
});

/** Listens on loopback and gives the port; connections are cut at the end of the test. */
const listen = (server: Server, host = '127.0.0.1'): Promise<number> => {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy()).once('close', () => sockets.delete(socket));
  });
  open.push({
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  });
  return new Promise((resolve) => {
    // A TCP server on loopback has an address of this shape.
    server.listen(0, host, () => resolve((server.address() as AddressInfo).port));
  });
};

const serveTls = (options: TlsOptions): Promise<number> => {
  const server = createTls(options);
  server.on('tlsClientError', () => undefined);
  return listen(server);
};

const proberWith = (settings: Partial<ProberSettings> = {}): Prober => {
  const prober = createProber({
    allowedCidrs: ['127.0.0.0/8', '::1/128'],
    allowedPorts: [443],
    trustedCaPem: pki.root.cert,
    timeoutMs: 8000,
    dnsServers: [],
    now: Date.now,
    ...settings,
  });
  open.push(prober);
  return prober;
};

const targetAt = (port: number, more: Partial<ProbeTarget> = {}): ProbeTarget => ({
  domain: name,
  probeAddress: [`127.0.0.1:${port}`],
  starttls: null,
  depth: 'fetch',
  known: new Map(),
  ...more,
});

const onlyLook = ({ looks }: ProbeResult): Look => {
  expect(looks).toHaveLength(1);
  const [look] = looks;
  if (look === undefined) throw new Error('no look');
  return look;
};

const lookAt = async (port: number, more: Partial<ProbeTarget> = {}, prober = proberWith()): Promise<Look> =>
  onlyLook(await prober.probe(targetAt(port, more)));

const knownFrom = (look: Look): ReadonlyMap<string, KnownServed> => {
  if (look.certificate === null) throw new Error('nothing known');
  const { ref: certificateRef, notBefore, notAfter, chainNotAfter } = look.certificate;
  const { verdict, error, checkedAt: fullyCheckedAt } = look;
  return new Map([
    [look.address, { certificateRef, verdict, error, notBefore, notAfter, chainNotAfter, fullyCheckedAt }],
  ]);
};

describe('a good server', () => {
  it('is judged by a full handshake at first sight, and fetched afterwards', async () => {
    const leaf = pki.leaf({ names: [name] });
    const port = await serveTls({ key: leaf.key, cert: leaf.chain });
    const prober = proberWith();
    const first = await lookAt(port, {}, prober);
    expect(first).toMatchObject({
      address: `127.0.0.1:${port}`,
      verdict: 'ok',
      error: null,
      depth: 'full',
      certificateRef: leaf.ref,
      certificate: { ref: leaf.ref, names: [name], chainLength: 2, tlsVersion: 'TLSv1.3', ocsp: null },
    });
    const second = await lookAt(port, { known: knownFrom(first) }, prober);
    expect(second).toMatchObject({ verdict: 'ok', depth: 'fetch', certificateRef: leaf.ref, certificate: null });
  });
});
