import { X509Certificate } from 'node:crypto';
import { type AddressInfo, connect, createServer as createTcp, type Server, type Socket } from 'node:net';
import { createServer as createTls } from 'node:tls';
import { type Look, verdicts } from '../../src/lifecycle/served.ts';
import { describeServed } from '../../src/probe/certificate.ts';
import { clientHello } from '../../src/probe/client-hello.ts';
import { HelloReader, maxHelloBytes } from '../../src/probe/hello-reader.ts';
import { stapledState } from '../../src/probe/ocsp.ts';
import { createProber } from '../../src/probe/prober.ts';
import { type Random, randomOf } from '../chaos/random.ts';
import { createPki, ocspResponse } from '../support/certificates.ts';
import type { FuzzOptions } from './http.ts';
import { slopeOf, watchMemory } from './memory.ts';
import { flipped, mutated } from './mutate.ts';
import { createTally, type FuzzReport, printable, type Tally } from './report.ts';

const name = 'shop.example.test';
/** One case in so many is a whole look over the wire. */
const looksEvery = 50;
const looksAtOnce = 16;

const listen = (server: Server): Promise<number> =>
  new Promise((resolve) => {
    server.on('connection', (socket: Socket) => socket.on('error', () => socket.destroy()));
    // A bound TCP server's address is an AddressInfo.
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });

/** What a server says to our hello, up to its certificate. */
const flightOf = (port: number): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const reader = new HelloReader();
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(clientHello(name)));
    socket.on('error', reject).on('data', (chunk) => {
      chunks.push(chunk);
      if (reader.read(chunk) === null) return;
      socket.removeAllListeners('data').destroy();
      resolve(Buffer.concat(chunks));
    });
  });

/** Reads bytes cut into pieces of at most `most`. */
const readCut = (bytes: Buffer, most: number, random: Random): string => {
  const reader = new HelloReader();
  for (let at = 0; at < bytes.length;) {
    const size = random.between(1, most);
    const outcome = reader.read(bytes.subarray(at, at + size));
    if (outcome !== null) return JSON.stringify(outcome);
    at += size;
  }
  return JSON.stringify(reader.end());
};

/** The hello reader says the same of bytes however they are cut, and throws at nothing. */
const tryFlight = (bytes: Buffer, random: Random, at: number, tally: Tally): void => {
  const whole = readCut(bytes, bytes.length, randomOf(at));
  tally.count(`flight ${/"kind":"(\w+)"/.exec(whole)?.[1] ?? 'unfinished'}`);
  if (new HelloReader().read(bytes) !== null && whole === 'null')
    tally.flaw('an outcome is lost', printable(bytes), at);
  if (readCut(bytes, random.pick([1, 7, 300]), random) !== readCut(bytes, Math.max(1, bytes.length), randomOf(0)))
    tally.flaw('says something else when the bytes are cut otherwise', printable(bytes), at);
};

const isStorable = (value: unknown): boolean => {
  const text = JSON.stringify(value);
  return !/\\u0000|\\ud[89a-f]/i.test(text) && text.length < 50_000;
};

/** What is told of a certificate can be kept and shown, whatever stands in it. */
const tryDer = (der: Buffer, staple: Buffer, at: number, tally: Tally): void => {
  stapledState(staple, Buffer.from([1, 2, 3]));
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(der);
  } catch {
    tally.count('certificate unreadable');
    return;
  }
  const told = describeServed([leaf], leaf, null, staple);
  tally.count(`certificate told, staple ${String(told.ocsp)}`);
  if (!isStorable(told)) tally.flaw('tells of a certificate what cannot be kept', der.toString('base64'), at);
  if (![told.notBefore, told.notAfter, told.chainNotAfter].every((time) => Number.isSafeInteger(time) && time >= 0))
    tally.flaw('reads a time that is none', der.toString('base64'), at);
};

/** Stands between the prober and a good server, and changes what the server says. */
const betweenOf = (upstream: readonly number[], random: Random): Server =>
  createTcp((client) => {
    const server = connect({ port: upstream[random.between(0, upstream.length - 1)] ?? 0, host: '127.0.0.1' });
    const share = random.pick([0, 0.2, 1]);
    server.on('data', (chunk) => {
      const next = random.chance(share) ? mutated(chunk, random) : chunk;
      if (!client.destroyed) client.write(next);
      if (random.chance(0.05)) client.destroy();
    });
    client.on('data', (chunk) => void server.write(chunk)).on('close', () => server.destroy());
    server.on('error', () => client.destroy()).on('close', () => client.end());
  });

const known: ReadonlySet<string> = new Set(verdicts);

const wrongWith = ({ verdict, error, certificate, durationMs }: Look): string | null => {
  if (!known.has(verdict)) return `comes to ${verdict}, which is no verdict`;
  if ((verdict === 'ok') !== (error === null)) return `comes to ${verdict} with the error ${String(error)}`;
  if (!isStorable({ error, certificate })) return 'says what cannot be kept';
  return durationMs > 10_000 ? `takes ${durationMs} ms` : null;
};

/**
 * Certificates, staples and answers of TLS servers, changed at random. Wants: no exception, the same outcome however bytes are cut,
 * only what a database can keep, a verdict for every look in its time, and no growth of memory.
 */
export const fuzzTls = async ({ seed, count, onProgress }: FuzzOptions): Promise<FuzzReport> => {
  const random = randomOf(seed);
  const tally = createTally();
  const pki = createPki();
  const leaves = [pki.leaf({ names: [name] }), pki.leaf({ names: [name, '*.example.test'], keyType: 'rsa' })];
  const servers = leaves.flatMap(({ key, cert }) =>
    (['TLSv1.2', 'TLSv1.3'] as const).map((maxVersion) =>
      createTls({ key, cert, maxVersion })
        .on('tlsClientError', () => undefined)
        .on('secureConnection', (socket) => socket.on('error', () => undefined)),
    ),
  );
  const ports = await Promise.all(servers.map(listen));
  const between = betweenOf(ports, random);
  const port = await listen(between);
  const flights = await Promise.all(ports.filter((_, index) => index % 2 === 0).map(flightOf));
  const staples = (['good', 'revoked', 'unknown'] as const).map((state) => ocspResponse(Buffer.from([1, 2, 3]), state));
  const prober = createProber({
    allowedCidrs: ['127.0.0.0/8'],
    allowedPorts: [443],
    trustedCaPem: pki.root.cert,
    timeoutMs: 2000,
    dnsServers: [],
    now: Date.now,
    elapsed: () => performance.now(),
  });
  const look = async (at: number): Promise<void> => {
    const address = `127.0.0.1:${port}`;
    const seen = {
      certificateRef: leaves[0]?.ref ?? '',
      verdict: 'ok',
      error: null,
      notBefore: 0,
      notAfter: 4e12,
      chainNotAfter: 4e12,
      fullyCheckedAt: Date.now(),
    } as const;
    const result = await prober.probe({
      domain: name,
      probeAddress: [address],
      starttls: null,
      depth: 'fetch',
      known: random.chance(0.5) ? new Map() : new Map([[address, seen]]),
    });
    for (const one of result.looks) {
      tally.count(`look ${one.verdict}`);
      const wrong = wrongWith(one);
      if (wrong !== null) tally.flaw(`a look ${wrong}`, '', at);
    }
  };
  const memory = watchMemory(process.pid, 500);
  const started = performance.now();
  const looking = new Set<Promise<void>>();
  for (let at = 0; at < count; at += 1) {
    try {
      const flight = flights[random.between(0, flights.length - 1)] ?? Buffer.alloc(0);
      tryFlight(
        random.chance(0.02)
          ? Buffer.concat(Array.from({ length: Math.ceil(maxHelloBytes / flight.length) + 1 }, () => flight))
          : mutated(flight, random),
        random,
        at,
        tally,
      );
      const der = leaves[random.between(0, leaves.length - 1)]?.der ?? Buffer.alloc(0);
      tryDer(
        random.chance(0.6) ? flipped(der, random) : mutated(der, random),
        mutated(staples[random.between(0, 2)] ?? Buffer.alloc(0), random),
        at,
        tally,
      );
    } catch (error) {
      tally.flaw(`throws ${String(error)}`, `seed ${seed}`, at);
    }
    if (at % looksEvery === 0) {
      const one = look(at)
        .catch((error: unknown) => tally.flaw(`a probe fails with ${String(error)}`, '', at))
        .finally(() => looking.delete(one));
      looking.add(one);
      if (looking.size >= looksAtOnce) await Promise.race(looking);
    }
    if (at > 0 && at % 10_000 === 0) onProgress?.(at);
  }
  await Promise.all(looking);
  const seconds = (performance.now() - started) / 1000;
  const samples = memory.stop();
  if (prober.inFlight() !== 0) tally.flaw('looks are still under way', '', count);
  await prober.close();
  for (const server of [between, ...servers]) server.close();
  return {
    target: 'tls',
    seed,
    cases: count,
    seconds,
    answers: tally.answers,
    flaws: tally.flaws,
    figures: { 'slope of memory, last two thirds': `${slopeOf(samples).toFixed(2)} MB a minute` },
  };
};
