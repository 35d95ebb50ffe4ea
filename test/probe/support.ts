import { type AddressInfo, createServer as createTcp, type Server, type Socket } from 'node:net';
import { createServer as createTls, type TlsOptions } from 'node:tls';
import { afterEach } from 'vitest';
import type { KnownServed, Look, ProbeResult, ProbeTarget } from '../../src/lifecycle/served.ts';
import { createProber, type Prober, type ProberSettings } from '../../src/probe/prober.ts';
import { createPki } from '../support/certificates.ts';

/** The name everything here is served for. */
export const name = 'shop.example.test';
export const pki = createPki();
export const goodLeaf = pki.leaf({ names: [name] });

/** Servers and probers that a test has opened; all are closed after it. */
export const createStage = () => {
  const open: { close: () => Promise<void> }[] = [];
  afterEach(async () => {
    for (const { close } of open.splice(0).toReversed()) await close();
  });

  const listen = (server: Server, host = '127.0.0.1', port = 0): Promise<number> => {
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
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      // A TCP server has an address of this shape.
      server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
    });
  };

  return {
    listen,
    /** A node:tls server; gives its port. */
    serveTls: (options: TlsOptions, host?: string, port?: number): Promise<number> => {
      const server = createTls(options);
      server
        .on('tlsClientError', () => undefined)
        .on('secureConnection', (socket) => socket.on('error', () => undefined));
      return listen(server, host, port);
    },
    /** A TCP server that does as it is told with each connection; gives its port. */
    serveRaw: (onConnection: (socket: Socket) => void): Promise<number> => listen(createTcp(onConnection)),
    prober: (settings: Partial<ProberSettings> = {}): Prober => {
      const prober = createProber({
        allowedCidrs: ['127.0.0.0/8', '::1/128'],
        allowedPorts: [443],
        trustedCaPem: pki.root.cert,
        timeoutMs: 8000,
        dnsServers: [],
        now: Date.now,
        elapsed: () => performance.now(),
        ...settings,
      });
      open.push(prober);
      return prober;
    },
    onClose: (close: () => Promise<void>): void => {
      open.push({ close });
    },
  };
};

export const targetAt = (port: number, more: Partial<ProbeTarget> = {}): ProbeTarget => ({
  domain: name,
  probeAddress: [`127.0.0.1:${port}`],
  starttls: null,
  depth: 'fetch',
  known: new Map(),
  ...more,
});

/** The look of a result that has one. */
export const onlyLook = ({ looks, fault }: ProbeResult): Look => {
  const [look] = looks;
  if (look === undefined || looks.length > 1) throw new Error(`${looks.length} looks, fault: ${fault?.error}`);
  return look;
};

/** What a full look leaves to know, as the database keeps it. */
export const knownFrom = (look: Look, changes: Partial<KnownServed> = {}): ReadonlyMap<string, KnownServed> => {
  if (look.certificate === null) throw new Error(`no certificate: ${look.verdict}`);
  const { ref: certificateRef, notBefore, notAfter, chainNotAfter } = look.certificate;
  const { verdict, error, checkedAt: fullyCheckedAt } = look;
  const known = { certificateRef, verdict, error, notBefore, notAfter, chainNotAfter, fullyCheckedAt, ...changes };
  return new Map([[look.address, known]]);
};

/** Something to know of an address at which a fetch is to be tried. */
export const knownAt = (port: number, changes: Partial<KnownServed> = {}): ReadonlyMap<string, KnownServed> => {
  const now = Date.now();
  const known: KnownServed = {
    certificateRef: goodLeaf.ref,
    verdict: 'ok',
    error: null,
    notBefore: now - 1000,
    notAfter: now + 1e9,
    chainNotAfter: now + 1e9,
    fullyCheckedAt: now - 1000,
    ...changes,
  };
  return new Map([[`127.0.0.1:${port}`, known]]);
};
