import { type Context, Hono } from 'hono';
import type { Ctx } from '../context.ts';
import type { Appended, NewEvent } from '../db/append.ts';
import { findDomainName } from '../db/domain-names.ts';
import { AppError } from '../errors.ts';
import { parseEvent, type ParsedEvent } from '../lifecycle/event.ts';
import type { GroupCommit } from '../queues/group-commit.ts';
import { bounded } from '../queues/patience.ts';
import { addressOf, placeOf } from './address.ts';
import { hashSecret, sameSecret } from './auth.ts';
import { readBody } from './body.ts';
import type { HttpEnv } from './env.ts';
import { eventIds } from './event-ids.ts';
import { claimedIdentity, decodeJson } from './event-json.ts';
import { headerOf } from './header.ts';
import { describeIngest } from './ingest-description.ts';
import { type IngestLimits, ingestLimits } from './ingest-limits.ts';
import {
  headerIdentity,
  type Identity,
  type Provenance,
  type Signer,
  signersOf,
  verifyProvenance,
} from './provenance.ts';
import { openToAll } from './rules.ts';

/** Largest body, in bytes (contract 1). */
export const bodyLimit = 256 * 1024;
const jsonType = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;

/** What ingest hands its accepted events to, and what it tells about the rest. */
export interface IngestSink {
  readonly commits: GroupCommit<NewEvent, Appended>;
  /** A failed event that was sent again. */
  readonly retried: (eventId: string) => Promise<void>;
  readonly badSignature: (subject: string) => void;
}

const assertSame = (header: string | undefined, field: string | undefined, message: string): void => {
  if (header !== undefined && field !== undefined && field.trim().toLowerCase() !== header)
    throw new AppError('bad_request', message);
};

/** Names that only headers give, and nobody has verified, obey the body's rules. */
const assertNames = (source: string, clusterId: string | null): void => {
  if (source.length < 2 || source.length > 80)
    throw new AppError('bad_request', 'x-cert-source must have 2 to 80 characters');
  if (clusterId !== null && (clusterId.length < 2 || clusterId.length > 120))
    throw new AppError('bad_request', 'x-cert-cluster must have 2 to 120 characters');
};

const targetDomain = async (
  { domain, domainId }: ParsedEvent,
  provenance: Provenance | null,
  { ctx, waits }: Ingest,
): Promise<string> => {
  const assertBound = (name: string): string => {
    if (provenance !== null && !provenance.mayReport(name))
      throw new AppError('forbidden', 'Source is not allowed to report this domain');
    return name;
  };
  if (domain !== undefined) assertBound(domain);
  if (domainId !== undefined) {
    const name = await waits(() => findDomainName(ctx.db, domainId));
    if (name === null) throw new AppError('not_found', 'Custom domain not found for domainId');
    assertBound(name);
    if (domain !== undefined && domain !== name)
      throw new AppError('bad_request', 'domain is not the one that domainId names');
    return name;
  }
  if (domain === undefined) throw new AppError('bad_request', 'domain or domainId is required');
  return domain;
};

/** All that one request needs, made once. */
interface Ingest {
  readonly ctx: Ctx;
  readonly sink: IngestSink;
  readonly limits: IngestLimits;
  readonly waits: ReturnType<typeof bounded>;
  readonly tokenHash: Buffer | null;
  readonly signers: ReadonlyMap<string, Signer>;
  readonly signed: boolean;
  readonly newId: ReturnType<typeof eventIds>;
}

const prepare = (ctx: Ctx, sink: IngestSink): Ingest => {
  const { config } = ctx;
  const signers = signersOf(config.CERT_EVENT_SOURCE_KEYS ?? new Map());
  const tokenHash = config.CERT_EVENT_INGEST_TOKEN === undefined ? null : hashSecret(config.CERT_EVENT_INGEST_TOKEN);
  return {
    ctx,
    sink,
    limits: ingestLimits(config),
    waits: bounded(config.CERT_INGEST_QUEUE_LIMIT),
    tokenHash,
    signers,
    signed: config.CERT_EVENT_REQUIRE_PROVENANCE || signers.size > 0,
    newId: eventIds(),
  };
};

const verify = (c: Context<HttpEnv>, header: Identity, body: Buffer, { ctx, sink, signers }: Ingest): Provenance => {
  const inner = header.source === undefined || header.cluster === undefined ? claimedIdentity(body) : header;
  const request = {
    identity: { source: header.source ?? inner.source, cluster: header.cluster ?? inner.cluster },
    timestamp: headerOf(c, 'x-cert-timestamp'),
    signature: headerOf(c, 'x-cert-signature'),
    body,
    now: ctx.now(),
    maxAgeSeconds: ctx.config.CERT_EVENT_MAX_AGE_SECONDS,
  };
  return verifyProvenance(signers, request, sink.badSignature);
};

interface Authentic {
  readonly header: Identity;
  readonly body: Buffer;
  readonly provenance: Provenance | null;
}

const authenticate = async (c: Context<HttpEnv>, ingest: Ingest): Promise<Authentic> => {
  const { tokenHash, limits, signed } = ingest;
  if (tokenHash === null) throw new AppError('unavailable', 'Certificate event ingest token is not configured');
  const address = placeOf(addressOf(c));
  if (limits.suspects(address)) await limits.assertAddress(address);
  try {
    const token = headerOf(c, 'x-cert-event-token')?.trim() ?? '';
    if (!sameSecret(tokenHash, token)) throw new AppError('unauthorized', 'Invalid certificate ingest token');
    if (!jsonType.test(headerOf(c, 'content-type') ?? '') || headerOf(c, 'content-encoding') !== undefined) {
      throw new AppError('unsupported_media_type', 'Send the event as application/json without Content-Encoding');
    }
    const body = await readBody(c, bodyLimit);
    const header = headerIdentity(c);
    return { header, body, provenance: signed ? verify(c, header, body, ingest) : null };
  } catch (error) {
    if (error instanceof AppError && error.code === 'unauthorized') await limits.failed(address);
    throw error;
  }
};

const eventOf = async ({ header, body, provenance }: Authentic, ingest: Ingest): Promise<NewEvent> => {
  const receivedAt = ingest.ctx.now();
  const parsed = parseEvent(decodeJson(body), receivedAt);
  assertSame(header.source, parsed.source, 'x-cert-source header does not match source body field');
  assertSame(header.cluster, parsed.clusterId, 'x-cert-cluster header does not match clusterId body field');
  const domain = await targetDomain(parsed, provenance, ingest);
  const source = parsed.source ?? header.source ?? 'cert_manager';
  const clusterId = parsed.clusterId ?? header.cluster ?? null;
  if (provenance === null) assertNames(source, clusterId);
  const subject = provenance?.subject ?? null;
  if (ingest.limits.perSource) await ingest.limits.assertSource(subject ?? source);
  return { id: ingest.newId(receivedAt), source, clusterId, domain, parsed, provenanceSubject: subject, receivedAt };
};

const answerOf = async (event: NewEvent, appended: Appended, { sink, waits }: Ingest) => {
  if (appended.kind === 'conflict')
    throw new AppError('conflict', 'Event identity already used with different content');
  const { source, clusterId, provenanceSubject } = event;
  const answer = {
    ok: true,
    eventId: appended.id,
    source,
    clusterId,
    provenanceVerified: provenanceSubject !== null,
    provenanceSubject,
  };
  if (appended.kind === 'created') return { ...answer, status: 'pending' };
  const revived = appended.status === 'failed';
  if (revived) await waits(() => sink.retried(appended.id));
  return { ...answer, status: revived ? 'pending' : appended.status, duplicate: true };
};

const results = { created: 'accepted', duplicate: 'duplicate', conflict: 'conflict' } as const;

/** `POST /v1/domains/cert-events`: verify the bytes, check the event, wait for its commit, answer (contract 1). */
export const ingestRoutes = (ctx: Ctx, sink: IngestSink) => {
  const ingest = prepare(ctx, sink);
  const { metrics, elapsed } = ctx;
  const ingestEvent = async (c: Context<HttpEnv>) => {
    c.set('ctx', ctx);
    const started = elapsed();
    const seen = { source: 'unknown', type: 'unknown', result: 'rejected' };
    try {
      const authentic = await authenticate(c, ingest);
      if (authentic.provenance !== null) seen.source = authentic.provenance.source;
      const event = await eventOf(authentic, ingest);
      seen.source = metrics.sourceLabel(event.source);
      seen.type = event.parsed.eventType;
      const appended = await sink.commits.submit(event);
      seen.result = results[appended.kind];
      return c.json(await answerOf(event, appended, ingest), 202);
    } finally {
      metrics.eventsReceived.inc(seen);
      metrics.ingestDuration.observe((elapsed() - started) / 1000);
    }
  };
  // The handler carries its own description: a route of a single handler skips Hono's chain of middleware.
  const handler = Object.assign(ingestEvent, describeIngest);
  return new Hono<HttpEnv>().post(
    '/v1/domains/cert-events',
    openToAll(handler, 'Senders have a token and keys of their own'),
  );
};
