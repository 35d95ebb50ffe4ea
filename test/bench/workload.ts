import { createHash } from 'node:crypto';
import { signEvent, signingKey } from '../../src/lifecycle/signature.ts';

/** Domains that are registered and that the events are about. */
export const domainCount = 5000;
export const ingestToken = 'bench-ingest-token';
export const adminToken = 'bench-admin-token';
const source = 'cert_manager';
const cluster = 'bench-eu-1';
const secret = 'bench-signing-secret';

/** What every server of the benchmark is configured with, the product's and those it is compared with. */
export const serverEnv = {
  NODE_ENV: 'production',
  // As the image, the unit and `npm start` have it.
  NODE_OPTIONS: '--max-semi-space-size=32',
  NOTAFTER_HOST: '127.0.0.1',
  CERT_EVENT_INGEST_TOKEN: ingestToken,
  CERT_EVENT_SOURCE_KEYS: `${source}:${cluster}=${secret}`,
  CERT_ADMIN_TOKENS: `bench:admin:${adminToken}`,
  // Nobody serves these names; where looks are measured, this is turned on again.
  CERT_PROBE_FALLBACK_ENABLED: 'false',
};

const key = signingKey(secret);
// Larger slabs: a hundred thousand small buffers of their own would keep the garbage collector busy.
Buffer.poolSize = 1024 * 1024;

export const domainName = (index: number): string => `shop-${String(index).padStart(5, '0')}.customers.example.com`;

// A multiplicative hash: events are spread over the domains without any order.
const spread = (index: number): number => Math.imul(index, 2_654_435_761) >>> 0;

const day = 86_400_000;
const iso = (epoch: number): string => new Date(epoch).toISOString();

/** The body of event `index` of a run: a renewal of about 600 bytes, a millisecond after the one before it. */
export const eventBody = (run: string, index: number, startedAt: number): Record<string, unknown> => {
  const at = startedAt - 3_600_000 + index;
  const domain = domainName(spread(index) % domainCount);
  const id = `${run}-${index}`;
  return {
    source,
    clusterId: cluster,
    sourceEventId: `bench/Certificate/shops/${domain}/${id}`,
    domain,
    eventType: 'renewal_succeeded',
    occurredAt: iso(at),
    notBefore: iso(at - 3_600_000),
    notAfter: iso(at + 90 * day),
    renewalDueAt: iso(at + 60 * day),
    certificateRef: `sha256:${createHash('sha256').update(id).digest('hex').toUpperCase()}`,
    payload: { issuer: 'letsencrypt-prod', namespace: 'shops', secretName: `${domain}-tls`, revision: index % 40 },
  };
};

const requestOf = (body: Buffer, timestamp: string): Buffer => {
  const head =
    `POST /v1/domains/cert-events HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n` +
    `x-cert-event-token: ${ingestToken}\r\nx-cert-source: ${source}\r\nx-cert-cluster: ${cluster}\r\n` +
    `x-cert-timestamp: ${timestamp}\r\nx-cert-signature: ${signEvent(key, timestamp, body)}\r\n` +
    `content-length: ${body.length}\r\n\r\n`;
  const request = Buffer.allocUnsafe(head.length + body.length);
  request.write(head, 'latin1');
  body.copy(request, head.length);
  return request;
};

/**
 * Signed requests, each with an event of its own. The first `ready` are made at once, so that their cost stays outside the
 * measurement; any after those are made when asked for.
 */
export const signedRequests = (run: string, ready: number): (() => Buffer) => {
  const startedAt = Date.now();
  const make = (index: number): Buffer =>
    requestOf(
      Buffer.from(JSON.stringify(eventBody(run, index, startedAt))),
      String(Math.floor((index < ready ? startedAt : Date.now()) / 1000)),
    );
  const made = Array.from({ length: ready }, (_, index) => make(index));
  let next = 0;
  return () => {
    const index = next++;
    return made[index] ?? make(index);
  };
};

/** A GET of the admin API. */
export const getRequest = (path: string): Buffer =>
  Buffer.from(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${adminToken}\r\n\r\n`);

/** A GET of a page of the console, by whoever this session cookie belongs to. */
export const pageRequest = (path: string, cookie: string): Buffer =>
  Buffer.from(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/html\r\ncookie: ${cookie}\r\n\r\n`);
